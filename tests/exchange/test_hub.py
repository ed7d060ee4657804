from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.exchange import ModelDescription, push_to_hub, save_folder
from scribbleseg.exchange.hub import is_repository
from scribbleseg.networks import PlainUNet


class FakeApi:
    """Notes what is asked of it."""

    calls: list[tuple[str, Any]]
    error: Exception | None = None

    def __init__(self, token: str | None = None) -> None:
        FakeApi.calls = [("token", token)]

    def create_repo(self, repository: str, **options: Any) -> None:
        FakeApi.calls.append((repository, options))

    def upload_folder(self, **options: Any) -> Any:
        if FakeApi.error is not None:
            raise FakeApi.error
        FakeApi.calls.append(("upload", options))
        return SimpleNamespace(commit_url="https://hub/user/model/commit/1")


@pytest.fixture
def folder(small: ModelDescription, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub, "HfApi", FakeApi)
    monkeypatch.setattr(FakeApi, "error", None)
    save_folder(PlainUNet(3, 1, widths=(2, 4)), tmp_path / "m", small)
    return tmp_path / "m"


def test_push(folder: Path) -> None:
    url = push_to_hub(folder, "user/model", token="t", message="first")
    assert url == "https://hub/user/model/commit/1"
    assert FakeApi.calls == [
        ("token", "t"),
        ("user/model", {"private": True, "exist_ok": True}),
        (
            "upload",
            {
                "repo_id": "user/model",
                "folder_path": str(folder),
                "allow_patterns": ["model.safetensors", "config.json", "README.md"],
                "commit_message": "first",
            },
        ),
    ]


def test_a_damaged_folder_stays_here(folder: Path) -> None:
    FakeApi.calls = []
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"is not the file that config\.json describes"):
        push_to_hub(folder, "user/model")
    assert FakeApi.calls == []


def answer(status: int) -> Any:
    return SimpleNamespace(status_code=status, headers={}, request=None)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.OfflineModeIsEnabled("off"), "HF_HUB_OFFLINE is set"),
        (ConnectionError("refused"), "the hub cannot be reached"),
        (errors.HfHubHTTPError("x", response=answer(401)), "no permission; log in with hf auth"),
        (errors.RepositoryNotFoundError("x", response=answer(404)), "no such repository, or no"),
        (errors.RevisionNotFoundError("x", response=answer(404)), "no such revision"),
        (errors.HfHubHTTPError("too\nlarge", response=answer(413)), "HfHubHTTPError: too large"),
        (RuntimeError("odd"), "RuntimeError: odd"),
    ],
)
def test_failures_in_plain_words(
    folder: Path, error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeApi, "error", error)
    with pytest.raises(CheckpointError, match=rf"user/model: not uploaded: .*{message}"):
        push_to_hub(folder, "user/model")


def test_names_of_repositories(folder: Path) -> None:
    assert is_repository("user-1/my_model.v2")
    assert not any(is_repository(name) for name in ("model", "a/b/c", "../a", "a/..", "/a", "a/ b"))
    with pytest.raises(ConfigError, match="'model' is not the name of a repository"):
        push_to_hub(folder, "model")
