"""Model folders on a hub: up with `push_to_hub`, down with a repository's name."""

import re
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import errors

from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.exchange.model_folder import FILES, check_files

__all__ = ["download", "is_repository", "push_to_hub"]

REPOSITORY = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")


def is_repository(name: str) -> bool:
    """Whether a text has the form ``user/model``.

    >>> is_repository("user/model"), is_repository("../model")
    (True, False)
    """
    return REPOSITORY.fullmatch(name) is not None


def push_to_hub(
    folder: str | Path,
    repository: str,
    *,
    private: bool = True,
    token: str | None = None,
    message: str = "Model of scribbleseg",
) -> str:
    """Upload the three files of a model folder.

    Args:
        folder: Written by `save_folder`; checked first.
        repository: ``user/model``; made if it is not there.
        private: Whether a new repository is visible to its owner alone.
        token: Access token; the one of ``hf auth login`` by default.
        message: Of the commit.

    Returns:
        Address of the commit.

    Raises:
        ConfigError: The name is not ``user/model``.
        CheckpointError: The folder is damaged, the hub cannot be reached, or refuses.
    """
    if not is_repository(repository):
        raise ConfigError(f"{repository!r} is not the name of a repository; expected user/model")
    check_files(Path(folder))
    hub = huggingface_hub.HfApi(token=token)
    try:
        hub.create_repo(repository, private=private, exist_ok=True)
        commit: Any = hub.upload_folder(
            repo_id=repository,
            folder_path=str(folder),
            allow_patterns=list(FILES),
            commit_message=message,
        )
    except Exception as error:  # connection errors are those of requests or httpx, by version
        raise CheckpointError(f"{repository}: not uploaded: {_reason(error)}") from None
    return str(getattr(commit, "commit_url", commit))


def download(repository: str, revision: str | None = None) -> Path:
    """The folder of a model on the hub, downloaded or from the cache.

    Args:
        repository: ``user/model``.
        revision: Branch, tag or commit; the newest of the main branch by default.

    Raises:
        CheckpointError: There is no such repository, or it cannot be had.
    """
    try:
        return Path(
            huggingface_hub.snapshot_download(
                repository, revision=revision, allow_patterns=list(FILES)
            )
        )
    except Exception as error:  # connection errors are those of requests or httpx, by version
        raise CheckpointError(
            f"{repository}: no such folder here, and not downloaded: {_reason(error)}"
        ) from None


def _reason(error: Exception) -> str:
    """What a user can do about it."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    # A missing revision is looked for first: repository errors are their siblings.
    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such revision"
    if isinstance(error, errors.RepositoryNotFoundError | errors.GatedRepoError) or status in {
        401,
        403,
    }:
        return "there is no such repository, or no permission; log in with hf auth login"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, errors.LocalEntryNotFoundError | OSError) and status is None:
        return "the hub cannot be reached and nothing is cached; try again with network access"
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}"
