"""Authors' checkpoints into model folders: every tensor accounted for, or nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.exchange.checkpoint_layout import CheckpointLayout, Dropped
from scribbleseg.exchange.checkpoint_layouts import checkpoint_layout_names, load_checkpoint_layout
from scribbleseg.exchange.description import ModelDescription, Origin
from scribbleseg.exchange.model_folder import check_folder, save_folder
from scribbleseg.exchange.network_builder import network_with_weights, shapes_of
from scribbleseg.exchange.weight_file import read_safetensors, read_torch_file, tensors_of

__all__ = ["Conversion", "convert_checkpoint", "find_layout", "read_state", "translate"]

PLACES = ("state_dict", "model_state_dict", "model", "net", "network")
"""Where training scripts put the weights in what they save."""

PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
"""What parallel wrappers, compilers and trainers put before every name."""


@dataclass(frozen=True)
class Conversion:
    """What was made of a checkpoint.

    Args:
        layout: Its form.
        net: The network, in evaluation mode on the host.
        model: What it is.
        dropped: Names that were left out, and why.
    """

    layout: CheckpointLayout
    net: nn.Module
    model: ModelDescription
    dropped: Mapping[str, str]


def convert_checkpoint(
    checkpoint: str | Path,
    folder: str | Path | None = None,
    *,
    layout: str | None = None,
    class_names: Sequence[str] = (),
    license: str = "other",
    overwrite: bool = False,
) -> Conversion:
    """A published checkpoint as a network of ours.

    Args:
        checkpoint: File of `torch.save`, or ``.safetensors``; read as data, never executed.
        folder: Where the model folder goes, for `load`; None writes nothing.
        layout: Its form, one of `checkpoint_layout_names` or a dotted path; found out if omitted.
        class_names: Names of the classes; those that the layout knows by default.
        license: Licence of the weights, for the model card.
        overwrite: Replace a model in the folder.

    Raises:
        CheckpointError: The file cannot be read or has another form, a tensor is unknown, missing
            or of another shape; the first ones and their number are listed.
        ConfigError: There is no such layout, the names are not as many as the classes, or the
            folder holds something else.
    """
    path = Path(checkpoint)
    if folder is not None:
        check_folder(Path(folder), overwrite=overwrite)
    state = read_state(path)
    form = find_layout(state, path) if layout is None else load_checkpoint_layout(layout)
    if not form.recognises(shapes_of(state)):
        missing = [name for name in form.required if name not in state]
        raise CheckpointError(
            f"{path}: is not of layout {form.name}: {', '.join(missing[:3])} missing; it has "
            f"{_first(state)}"
        )
    weights, dropped = translate(state, form, path)
    model = _description(form, state, class_names, path)
    conversion = Conversion(form, network_with_weights(model, weights, str(path)), model, dropped)
    if folder is not None:
        save_folder(conversion.net, folder, model, license=license, overwrite=overwrite)
    return conversion


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, without what a training script wraps around them.

    Optimiser state, options and counters beside the weights are left where they are.

    Raises:
        CheckpointError: The file cannot be read as data, or holds no tensors by name.
    """
    content: Mapping[Any, Any]
    if path.suffix == ".safetensors":
        content = read_safetensors(path)
    else:
        content = read_torch_file(path)
        for place in PLACES:
            if isinstance(content.get(place), Mapping):
                content = content[place]
                break
    state = tensors_of(path, content)
    if not state:
        raise CheckpointError(f"{path}: holds no tensors")
    while prefix := next((p for p in PREFIXES if all(key.startswith(p) for key in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def find_layout(state: Mapping[str, Tensor], path: Path) -> CheckpointLayout:
    """The one form that a checkpoint has.

    Raises:
        CheckpointError: None of them, or more than one; the known ones and the first names found
            are listed.
    """
    known = [load_checkpoint_layout(name) for name in checkpoint_layout_names()]
    found = [layout for layout in known if layout.recognises(shapes_of(state))]
    if len(found) != 1:
        which = ", ".join(layout.name for layout in found) or "none"
        raise CheckpointError(
            f"{path}: of the known layouts ({', '.join(layout.name for layout in known)}) it fits "
            f"{which}; it has {_first(state)}. An encoder alone is not converted but given to a "
            "network: --model.network.weights FILE"
        )
    return found[0]


def translate(
    state: Mapping[str, Tensor], layout: CheckpointLayout, path: Path
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by our names, and the names that a rule leaves out.

    Args:
        state: Tensors by their names in the checkpoint.
        layout: Its form.
        path: The file, for messages.

    Raises:
        CheckpointError: No rule or more than one speaks of a name, or two names become one.
    """
    weights: dict[str, Tensor] = {}
    dropped: dict[str, str] = {}
    problems: list[str] = []
    for key, value in state.items():
        answers = layout.our_names(key)
        if len(answers) != 1:
            problems.append(f"{key} is {'unknown' if not answers else 'ambiguous'}")
        elif isinstance(answers[0], Dropped):
            dropped[key] = answers[0].reason
        elif answers[0] in weights:
            problems.append(f"{key} becomes {answers[0]}, which is there already")
        else:
            weights[answers[0]] = value
    if problems:
        raise CheckpointError(
            f"{path}: is not quite of layout {layout.name}: {'; '.join(problems[:3])} "
            f"({len(problems)} of {len(state)} names)"
        )
    return weights, dropped


def _description(
    layout: CheckpointLayout, state: Mapping[str, Tensor], class_names: Sequence[str], path: Path
) -> ModelDescription:
    try:
        reading = layout.read(shapes_of(state))
        picture = layout.pictures[reading.in_channels]
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointError(
            f"{path}: shapes are not those of layout {layout.name} ({type(error).__name__}: "
            f"{error})"
        ) from None
    count = reading.num_classes
    if class_names and len(class_names) != count:
        raise ConfigError(f"--classes: {len(class_names)} names for {count} classes")
    known = len(layout.class_names) == count
    names = tuple(class_names) or (
        layout.class_names if known else tuple(f"class {index}" for index in range(count))
    )
    return ModelDescription(
        reading.network,
        names,
        palette=layout.palette if known else (),
        picture=picture,
        origin=Origin(source=layout.source),
    )


def _first(state: Mapping[str, Tensor]) -> str:
    names = list(state)
    return f"{', '.join(names[:4])}, ... ({len(names)} names)"
