"""The manifest of a folder of made files: what made them, and which job made which.

A line of JSON each: first the settings, then one a job. It is appended to while jobs end, so a kill
costs the last line at most.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from scribbleseg.annotation.file_hash import sha256_of
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import RunError

__all__ = [
    "MANIFEST",
    "Line",
    "append_line",
    "hash_or_none",
    "made_with",
    "read_manifest",
    "write_manifest",
]

MANIFEST = "manifest.jsonl"

Line = dict[str, Any]
"""Of the manifest: ``job``, ``files`` (SHA-256 by path), ``sources``, ``facts``, ``remarks``."""

LINE_KEYS = ("job", "files", "sources", "facts", "remarks")


def made_with(folder: Path) -> dict[str, Any] | None:
    """The settings with which the files of a folder were made; None if no manifest says so."""
    try:
        with (folder / MANIFEST).open(encoding="utf-8") as file:
            header = json.loads(file.readline())
    except (OSError, ValueError):
        return None
    settings = header.get("settings") if isinstance(header, dict) else None
    return settings if isinstance(settings, dict) else None


def read_manifest(target: Path, settings: Mapping[str, Any], *, overwrite: bool) -> dict[str, Line]:
    """What an earlier call made, by job; a line that was cut off by a kill is left out.

    Args:
        target: The folder; new, empty, or with a manifest.
        settings: With which files are to be made now.
        overwrite: Whether other settings are accepted.

    Raises:
        RunError: The folder is something else's, or was made with other settings.
    """
    path = target / MANIFEST
    if not path.is_file():
        if target.is_dir() and any(entry.name != "lock" for entry in target.iterdir()):
            raise RunError(
                f"{target}: exists and was not made by this command (no {MANIFEST}); choose "
                "another folder"
            )
        return {}
    earlier = made_with(target)
    if earlier is None:
        raise RunError(f"{path}: is no manifest of this command; choose another folder")
    lines: dict[str, Line] = {}
    for text in path.read_text(encoding="utf-8").splitlines()[1:]:
        try:
            line = json.loads(text)
            lines[line["job"]] = {key: line[key] for key in LINE_KEYS}
        except (json.JSONDecodeError, KeyError, TypeError):
            break
    differing = [
        f"{key} {earlier.get(key)!r} -> {settings.get(key)!r}"
        for key in sorted({*earlier, *settings})
        if earlier.get(key) != settings.get(key)
    ]
    if differing and lines and not overwrite:
        raise RunError(
            f"{target}: was made with other settings: {some(differing)}; choose another folder, or "
            "--overwrite"
        )
    return lines


def write_manifest(target: Path, header: Mapping[str, Any], lines: Iterable[Line]) -> None:
    """Write the whole manifest, completely or not at all."""
    with (
        whole_file(target / MANIFEST, durable=True) as unfinished,
        unfinished.open("w", encoding="utf-8") as file,
    ):
        for line in (header, *lines):
            append_line(file, line)


def append_line(manifest: TextIO, line: Mapping[str, Any]) -> None:
    """Add a line to an open manifest, so that it outlives the process."""
    manifest.write(json.dumps(line, ensure_ascii=False) + "\n")
    manifest.flush()


def hash_or_none(path: Path) -> str | None:
    """SHA-256 of a file's content, hexadecimal; None if there is no such file."""
    return sha256_of(path) if path.is_file() else None
