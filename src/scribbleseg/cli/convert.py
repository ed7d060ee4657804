"""``convert``: a published checkpoint of others as a model folder of ours."""

from collections import Counter
from collections.abc import Sequence

from jsonargparse import ArgumentError, ArgumentParser

from scribbleseg.cli.console import say
from scribbleseg.cli.explain import explain
from scribbleseg.errors import ConfigError

__all__ = ["run"]


def run(command: str, argv: Sequence[str]) -> int:
    """Convert one checkpoint, or list the known layouts.

    Raises:
        ScribblesegError: Anything a user can mend.
    """
    parser = ArgumentParser(
        prog="scribbleseg convert",
        description=(
            "Turn the checkpoint that came with a paper into a model folder. Every tensor is "
            "accounted for, or nothing is written; the file is read as data and never executed."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "checkpoint", type=str | None, nargs="?", default=None, help=".pth, .pt or .safetensors."
    )
    parser.add_argument(
        "out", type=str | None, nargs="?", default=None, help="Folder of the model."
    )
    parser.add_argument(
        "--layout",
        type=str | None,
        default=None,
        help="What published form it has (default: found out).",
    )
    parser.add_argument(
        "--classes",
        type=list[str] | None,
        default=None,
        help="Names of the classes in the order of the labels.",
    )
    parser.add_argument(
        "--license",
        type=str,
        default="other",
        help="Licence of the weights, for the model card.",
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace a model in the folder.")
    parser.add_argument("--list", action="store_true", help="List the known layouts.")
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    if not options.list and options.out is None:
        raise ConfigError("give the checkpoint and the folder of the model: CHECKPOINT OUT")

    # Imported here: --help needs no torch.
    from scribbleseg.exchange import checkpoint_layout_names, convert_checkpoint
    from scribbleseg.exchange.checkpoint_layouts import load_checkpoint_layout

    if options.list:
        for name in checkpoint_layout_names():
            say(f"{name:<14} {load_checkpoint_layout(name).source}")
        return 0
    done = convert_checkpoint(
        options.checkpoint,
        options.out,
        layout=options.layout,
        class_names=options.classes or (),
        license=options.license,
        overwrite=options.overwrite,
    )
    for reason, count in Counter(done.dropped.values()).items():
        say(f"left out: {count} tensors, {reason}")
    say(
        f"{options.out}: {done.layout.name} as {done.model.network.name}, classes "
        f"{', '.join(done.model.class_names)}"
    )
    return 0
