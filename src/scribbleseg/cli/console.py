"""Printing for people: tables, and paths as they are."""

from rich.console import Console

__all__ = ["plain_console", "say"]


def plain_console() -> Console:
    """A console to which brackets in names and paths are no markup."""
    return Console(markup=False, highlight=False)


def say(line: str) -> None:
    """Print one line without wrapping it."""
    plain_console().print(line, soft_wrap=True)
