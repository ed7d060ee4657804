"""Where configs come from: a path, or the set that comes with the library."""

from pathlib import Path

from scribbleseg.errors import ConfigError

__all__ = ["bundled_configs", "find_config"]


def bundled_configs() -> Path:
    """Folder of the library's own configs, inside an installed package or in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parents[1] / "configs"


def find_config(name: str) -> Path:
    """The config file a user means: a path, or a path below the library's own configs.

    ``configs/acdc/partial_ce_small.yaml`` and ``acdc/partial_ce_small.yaml`` both name the
    library's file when there is no such file in the working directory.

    Raises:
        ConfigError: There is no such file; the message says what there is.
    """
    path = Path(name)
    if path.is_file():
        return path
    own = bundled_configs()
    for candidate in (own / name, own.parent / name):
        if candidate.is_file():
            return candidate
    known = sorted(str(p.relative_to(own.parent)) for p in own.rglob("*.yaml"))
    raise ConfigError(f"--config: no file {name!r}; the library has {', '.join(known)}")
