import subprocess
import sys
import time
from pathlib import Path

import pytest

from scribbleseg import __version__
from scribbleseg.cli.main import COMMANDS, main

HEAVY = ("torch", "lightning", "torchvision", "matplotlib", "cv2", "numpy", "scipy")


def modules_after(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded."""
    lines = f"import sys\n{code}\nprint('MODULES', *sys.modules)"
    run = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    return set(run.stdout.split("MODULES")[1].split())


@pytest.mark.parametrize(
    "code", ["import scribbleseg", "from scribbleseg.cli.main import main; main(['--help'])"]
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert not modules_after(code) & set(HEAVY)


def test_start_up_times() -> None:
    """Measured 22 ms and 0.06 s; the best of three, so that a busy machine does not count."""
    code = "import time; t = time.perf_counter(); import scribbleseg; print(time.perf_counter()-t)"
    run = [sys.executable, "-c", code]
    assert min(float(subprocess.check_output(run, text=True)) for _ in range(3)) < 0.05
    program = Path(sys.executable).parent / "scribbleseg"
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([program, "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("command", ["evaluate", "check", "compare-labels"])
def test_what_only_reads_files_works_without_torch(
    command: str, tmp_path: Path, drawn: Path
) -> None:
    arguments = [command, str(drawn), *([str(tmp_path)] if command == "evaluate" else [])]
    code = f"from scribbleseg.cli.main import main; main({arguments})"
    assert not modules_after(code) & {"torch", "lightning", "torchvision", "matplotlib"}
    assert not modules_after("import scribbleseg.annotation") & {"torch", "lightning"}


def test_lazy_names_resolve() -> None:
    import scribbleseg

    assert set(scribbleseg.__all__) <= set(dir(scribbleseg))
    for name in scribbleseg.__all__:
        assert getattr(scribbleseg, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'PartialCrossEntrop'"):
        _ = scribbleseg.PartialCrossEntrop  # type: ignore[attr-defined]


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"scribbleseg {__version__}\n"
    for arguments in ([], ["--help"], ["help"]):
        assert main(arguments) == 0
        shown = capsys.readouterr().out
        assert all(command in shown for command in COMMANDS)


def test_an_unknown_command_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fti"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("scribbleseg: error: no command 'fti'; did you mean 'fit'?")
    assert error.count("\n") == 1


def test_debug_shows_the_traceback() -> None:
    from scribbleseg.errors import DataError

    with pytest.raises(DataError):
        main(["evaluate", "no/such/folder", "x", "--debug"])
