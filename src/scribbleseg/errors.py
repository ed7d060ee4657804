"""The errors a user can cause, one class per kind."""

import signal

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "Interrupted",
    "RunError",
    "ScribblesegError",
]


class ScribblesegError(Exception):
    """Base of the errors whose message is for the user: file, value found, what to do."""

    exit_code = 2
    """What the command line returns."""


class DataError(ScribblesegError):
    """A file or folder of data is missing, unreadable or contradicts another one."""


class ConfigError(ScribblesegError):
    """A setting is unknown, impossible or contradicts another one."""


class CheckpointError(ScribblesegError):
    """A checkpoint or weight file is missing, unreadable, not written, or of something else."""


class RunError(ScribblesegError):
    """A run folder is in use, finished or belongs to another run, or training cannot go on."""


class Interrupted(ScribblesegError):
    """Somebody asked the run to stop, and it has stopped in good order.

    Args:
        message: What was saved, and how to go on.
        signum: The signal that asked for it.
    """

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message)
        self.signum = signal.Signals(signum)
        self.exit_code = 128 + signum
