from pathlib import Path

import pytest
from tests.imported import read_or_refuse, save_picture

SEEDS = Path(__file__).parent / "seeds"
FILES = sorted(path for path in SEEDS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("seed", FILES, ids=[str(path.relative_to(SEEDS)) for path in FILES])
def test_seeds_and_what_the_fuzzer_found_are_read_or_refused(seed: Path, tmp_path: Path) -> None:
    """Files that the fuzzer begins with are called seed*; the others once crashed a reader."""
    if seed.parent.name in {"points", "qupath"}:
        save_picture(tmp_path / "a.png", (6, 8))
    path = tmp_path / f"a{seed.suffix}"
    path.write_bytes(seed.read_bytes())
    was_read = read_or_refuse(seed.parent.name, tmp_path)
    assert was_read or not seed.name.startswith("seed")
