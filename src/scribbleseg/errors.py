"""The errors a user can cause, one class per kind."""

__all__ = ["CheckpointError", "ConfigError", "DataError", "RunError", "ScribblesegError"]


class ScribblesegError(Exception):
    """Base of the errors whose message is for the user: file, value found, what to do."""


class DataError(ScribblesegError):
    """A file or folder of data is missing, unreadable or contradicts another one."""


class ConfigError(ScribblesegError):
    """A setting is unknown, impossible or contradicts another one."""


class CheckpointError(ScribblesegError):
    """A checkpoint or weight file is missing, unreadable or belongs to something else."""


class RunError(ScribblesegError):
    """A run folder is in use, finished or belongs to another run."""
