"""A folder of label images that can be gone on with: what made it, and what is done."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scribbleseg.annotation.whole_file import remove_unfinished, whole_file
from scribbleseg.errors import RunError

__all__ = ["MANIFEST", "LabelFolder"]

MANIFEST = "manifest.json"


class LabelFolder:
    """Label images and the ``manifest.json`` that says what made them.

    Args:
        path: The folder of the manifest.
        labels: The folder of the label images.
    """

    def __init__(self, path: Path, labels: Path) -> None:
        self.path, self.labels = path, labels

    @property
    def manifest(self) -> dict[str, Any]:
        """What made the labels; empty for a folder without manifest."""
        file = self.path / MANIFEST
        content: dict[str, Any] = (
            json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        )
        return content

    def check(self, settings: Mapping[str, Any], *, resume: bool) -> None:
        """Refuse a folder that must not be written to; nothing is changed.

        Raises:
            RunError: The folder is not empty and is not to be resumed, or something else made it.
        """
        if not self.path.is_dir() or not any(self.path.iterdir()):
            return
        if not resume:
            raise RunError(
                f"{self.path}: exists and is not empty; go on with --resume, delete it, or choose "
                "another --out"
            )
        before = self.manifest.get("settings")
        if before is None:
            raise RunError(
                f"{self.path}: has no {MANIFEST}, so nothing to resume; choose another --out"
            )
        differing = [
            f"{name} {before.get(name)!r} -> {value!r}"
            for name, value in json.loads(json.dumps(settings)).items()
            if before.get(name) != value
        ]
        if differing:
            raise RunError(
                f"{self.path}: was made with other settings: {'; '.join(differing[:3])}; choose "
                "another --out"
            )

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Say what is going to make the labels."""
        self.path.mkdir(parents=True, exist_ok=True)
        remove_unfinished(self.path)
        remove_unfinished(self.labels)
        self._write({"state": "unfinished", "settings": dict(settings)})

    def done(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the names whose label is there."""
        return frozenset(name for name in names if (self.labels / f"{name}.png").is_file())

    def end(self, **facts: Any) -> None:
        """Say that all labels are there."""
        self._write({**self.manifest, "state": "done", **facts})

    def _write(self, content: Mapping[str, Any]) -> None:
        with whole_file(self.path / MANIFEST, durable=True) as unfinished:
            unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
