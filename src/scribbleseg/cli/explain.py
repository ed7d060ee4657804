"""What the argument parser has to say in one line, with the place and the nearest name."""

import dataclasses
import difflib
import importlib
import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser

__all__ = ["explain"]

UNKNOWN = (
    r"[Uu]nrecognized arguments: --(?P<key>[^\s=]+)",
    r"Option '(?P<key>[^']+)' is not accepted",
    r"Group '(?P<group>[^']+)' does not accept option '(?P<key>[^']+)'",
    r"module '(?P<module>[^']+)' has no attribute '(?P<key>[^']+)'",
)
NO_CLASS = r"Expected a dot import path string: (?P<name>\w+)"
CLASS_PATH = r"class_path[=' :]+'?(?P<path>[A-Za-z_][\w.]*)"


def explain(
    error: ArgumentError,
    parser: ArgumentParser,
    configs: Sequence[str],
    words: Sequence[str] = (),
) -> str:
    """The reason of a parser's error in one line.

    Args:
        error: What the parser raised; its message holds every alternative it tried, over many
            lines.
        parser: The parser, for the names it knows.
        configs: Config files that were read.
        words: The command line.

    Returns:
        ``FILE, line N: KEY is unknown; did you mean ...?`` for unknown keys, without the place if
        they stand on the command line; what to give for missing ones, else the innermost reason.
    """
    message = str(error)
    if message.startswith("the following arguments are required"):
        if "--config" not in parser._option_string_actions:
            return f"{message}; give them"
        return f"{message}; give them, or a config, e.g. --config acdc/partial_ce_small.yaml"
    nameless = re.search(NO_CLASS, message)
    if nameless is not None:
        keys = re.findall(r'Parser key "([^"]+)"', message[: nameless.start()])
        return _no_class(".".join(keys), nameless["name"])
    for pattern in UNKNOWN:
        found = re.search(pattern, message)
        if found is None:
            continue
        parts = found.groupdict()
        key = parts["key"]
        if parts.get("module"):
            shown, known = f"{parts['module']}.{key}", dir(importlib.import_module(parts["module"]))
        else:
            shown = f"{parts['group']}.{key}" if parts.get("group") else key
            known = [*_parser_names(parser, shown.rpartition(".")[0]), *_class_parameters(message)]
        leaf = shown.rsplit(".", 1)[-1] if parts.get("module") else _unknown_part(shown, known)
        given = any(word.partition("=")[0] == f"--{shown}" for word in words)
        # The same name in a group, e.g. --trainer.max_steps for --max_steps.
        grouped = [o for o in parser._option_string_actions if given and o.endswith(f".{leaf}")]
        close = grouped or difflib.get_close_matches(leaf, sorted(set(known)), n=1, cutoff=0.6)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{'' if given else _place(leaf, configs)}{shown!r} is unknown{hint}"
    if message.startswith("Problems parsing config") and configs:
        message = f"{configs[-1]}: {message}"
    reason = re.sub(r"<class '([\w.]+)'>", r"\1", message)
    reason = re.sub(r"\n\s*Given value.*", "", reason, flags=re.DOTALL)
    reason = re.sub(r"typing\.", "", reason)
    lines = [line.strip(" -") for line in reason.splitlines()]
    kept = [
        line
        for line in lines
        if line
        and not line.startswith(("Does not validate", "Subtypes", "Errors:", "Expected a NoneType"))
    ]
    return re.sub(r'Parser key "([^"]+)":', r"\1:", " ".join(kept))


def _no_class(option: str, name: str) -> str:
    """That nothing is called so, and what there is."""
    from torch import nn

    module = importlib.import_module(
        "scribbleseg.networks" if option.endswith("network") else "scribbleseg.methods"
    )
    found = {one: getattr(module, one) for one in module.__all__}
    known = [
        one
        for one, value in found.items()
        if isinstance(value, type)
        and issubclass(value, nn.Module)
        and not inspect.isabstract(value)
    ]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return (
        f"{option}: no class is called {name!r}; {hint}The library has {', '.join(known)}; one of "
        "your own is named with its module, e.g. mylab.parts.Mine"
    )


def _parser_names(parser: ArgumentParser, group: str) -> Iterable[str]:
    """Last parts of the options that the parser itself has in a group."""
    for option in parser._option_string_actions:
        prefix, _, name = option.removeprefix("--").rpartition(".")
        if prefix == group:
            yield name


def _class_parameters(message: str) -> Iterable[str]:
    """Parameters of every class the message speaks of, its bases included."""
    for found in re.finditer(CLASS_PATH, message):
        module, _, name = found["path"].rpartition(".")
        try:
            cls = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError):
            continue
        for base in inspect.getmro(cls):
            if base is not object and "__init__" in vars(base):
                for parameter in inspect.signature(vars(base)["__init__"]).parameters.values():
                    if parameter.kind is not parameter.VAR_KEYWORD and parameter.name != "self":
                        yield parameter.name
                    if dataclasses.is_dataclass(parameter.default):
                        yield from (field.name for field in dataclasses.fields(parameter.default))


def _unknown_part(key: str, known: Iterable[str]) -> str:
    """The first part of a dotted key that nothing is called."""
    parts = [
        part for part in key.split(".") if part not in {"init_args", "class_path", "dict_kwargs"}
    ]
    names = {"model", "data", "trainer", *known}
    return next((part for part in parts if part not in names), parts[-1])


def _place(leaf: str, configs: Sequence[str]) -> str:
    """The file and line in which a key stands; empty if it was given on the command line."""
    for config in configs:
        path = Path(config)
        if path.is_file():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                if re.search(rf"(^|[\s{{,.]){re.escape(leaf)}(\s*:|\s*$)", line):
                    return f"{config}, line {number}: "
    return ""
