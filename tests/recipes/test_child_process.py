"""Commands in processes of their own."""

import signal
import threading
from pathlib import Path

import pytest

from scribbleseg.recipes.child_process import start_child

TELLS = """import signal
asked = signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM
print(*(signal.getsignal(signum).name for signum in asked))
"""


@pytest.mark.parametrize("threaded", [False, True])
def test_warnings_of_a_batch_system_are_not_for_children(
    threaded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default they would kill a training that is about to be told to save."""
    monkeypatch.chdir(tmp_path)
    Path("scribbleseg.py").write_text(TELLS)  # is found before the installed one
    before = [signal.getsignal(signum) for signum in (signal.SIGUSR1, signal.SIGUSR2)]
    codes = []

    def start() -> None:
        with Path("said").open("wb") as output:
            codes.append(start_child([], output=output).wait())

    if threaded:
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
    else:
        start()
    assert codes == [0]
    assert Path("said").read_text().split() == ["SIG_IGN", "SIG_IGN", "SIG_DFL"]
    assert [signal.getsignal(signum) for signum in (signal.SIGUSR1, signal.SIGUSR2)] == before
