"""From a name and plain arguments to a network with its weights; nothing else is ever built."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_type_hints

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import scribbleseg.networks
from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.exchange.description import ModelDescription, NetworkSpec
from scribbleseg.exchange.typed_value import fitted
from scribbleseg.networks.factory import NetworkFactory

__all__ = [
    "NetworkClass",
    "check_weights",
    "differences",
    "known_networks",
    "network_arguments",
    "network_with_weights",
    "shape_differences",
    "shapes_of",
]

NetworkClass = Callable[..., nn.Module]

FROM_DATA = ("num_classes", "in_channels")


def known_networks(own: Mapping[str, NetworkClass] | None = None) -> dict[str, NetworkClass]:
    """Every class that a file may name: those of `scribbleseg.networks`, and the caller's own."""
    ours = {name: getattr(scribbleseg.networks, name) for name in scribbleseg.networks.__all__}
    return {**ours, **(own or {})}


def differences(
    model: ModelDescription,
    shapes: Mapping[str, tuple[int, ...]],
    networks: Mapping[str, NetworkClass] | None = None,
) -> list[str]:
    """In what weights of these shapes are not those of the described network; empty if they are.

    Args:
        model: The description.
        shapes: Shape of each tensor, by its name in the network's state.
        networks: The caller's own classes, by name.

    Raises:
        ConfigError: There is no such network, or it cannot be built with these arguments.
    """
    return shape_differences(shapes, shapes_of(_skeleton(model, networks)))


def shapes_of(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor."""
    return {key: tuple(value.shape) for key, value in weights.items()}


def shape_differences(
    found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """What is missing, unknown, or of another shape.

    >>> shape_differences({"a": (2,), "b": (1,)}, {"a": (3,)})
    ['b is unknown', 'a is (2,), expected (3,)']
    """
    return [
        *(f"{key} is missing" for key in wanted if key not in found),
        *(f"{key} is unknown" for key in found if key not in wanted),
        *(
            f"{key} is {found[key]}, expected {shape}"
            for key, shape in wanted.items()
            if key in found and found[key] != shape
        ),
    ]


def network_with_weights(
    model: ModelDescription,
    weights: Mapping[str, Tensor],
    where: str,
    networks: Mapping[str, NetworkClass] | None = None,
) -> nn.Module:
    """The described network in evaluation mode, on the host.

    Its sizes are compared with those of the weights before memory is asked for: what a description
    can make us allocate is what its weights take up themselves.

    Args:
        model: The description.
        weights: Tensors by their names in the network's state.
        where: File or folder, for messages.
        networks: The caller's own classes, by name.

    Raises:
        CheckpointError: As `check_weights`.
    """
    check_weights(model, weights, where, networks)
    with torch.random.fork_rng(devices=[]):  # loading a model leaves the caller's noise alone
        net = _build(model, networks)
    net.load_state_dict(dict(weights))
    return net.eval()


def check_weights(
    model: ModelDescription,
    weights: Mapping[str, Tensor],
    where: str,
    networks: Mapping[str, NetworkClass] | None = None,
) -> None:
    """Refuse weights that are not those of the described network.

    Args:
        model: The description.
        weights: Tensors by their names in the network's state.
        where: File or folder, for messages.
        networks: The caller's own classes, by name.

    Raises:
        CheckpointError: The network cannot be built, the weights are not its own (the first
            differences are listed), or a value is not finite.
    """
    try:
        problems = differences(model, shapes_of(weights), networks)
    except ConfigError as error:
        raise CheckpointError(f"{where}: {error}") from None
    if problems:
        raise CheckpointError(
            f"{where}: the weights are not those of a {model.network.name} with "
            f"{model.num_classes} classes and {model.picture.in_channels} channel(s): "
            f"{'; '.join(problems[:3])} ({len(problems)} differences)"
        )
    broken = [key for key, value in weights.items() if not torch.isfinite(value).all()]
    if broken:
        raise CheckpointError(
            f"{where}: {broken[0]} holds values that are not finite ({len(broken)} tensors)"
        )


def argument_types(cls: NetworkClass) -> dict[str, Any]:
    """The type of each argument."""
    return get_type_hints(cls.__init__) if inspect.isclass(cls) else get_type_hints(cls)


def network_arguments(cls: NetworkClass) -> set[str]:
    """Names of the arguments that make a network of their own."""
    return {key for key, kind in argument_types(cls).items() if kind == NetworkFactory}


def _skeleton(
    model: ModelDescription, networks: Mapping[str, NetworkClass] | None
) -> dict[str, Tensor]:
    """The network's state without values: tensors on the meta device take no memory."""
    if _names(model.network) & (networks or {}).keys():
        # The caller's own class may do what the meta device cannot.
        with torch.random.fork_rng(devices=[]):
            return _build(model, networks).state_dict()
    with torch.device("meta"), _SchedulesOnHost():
        return _build(model, networks).state_dict()


def _names(network: NetworkSpec) -> set[str]:
    """The classes of a network and of those inside it."""
    inside = [value for value in network.arguments.values() if isinstance(value, NetworkSpec)]
    return {network.name}.union(*map(_names, inside))


class _SchedulesOnHost(TorchFunctionMode):
    """Networks read drop rates from a linspace, whose values the meta device does not have."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Make a linspace where its values are."""
        given = dict(kwargs or {})
        if func is torch.linspace:
            given["device"] = "cpu"
        return func(*args, **given)


def _build(model: ModelDescription, networks: Mapping[str, NetworkClass] | None) -> nn.Module:
    make = _maker(model.network, known_networks(networks))
    try:
        return make(model.num_classes, model.picture.in_channels)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError(f"{model.network.name} cannot be built: {reason[:200]}") from None


def _maker(network: NetworkSpec, known: Mapping[str, NetworkClass]) -> NetworkClass:
    """What makes a network from a number of classes and of channels; its arguments are checked."""
    name, arguments = network.name, dict(network.arguments)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ConfigError(
            f"network {name[:60]!r} is not one of {', '.join(known)}; {hint}classes are never "
            "imported because a file names them: hand yours over, networks={NAME: CLASS}"
        )
    cls = known[name]
    parameters = inspect.signature(cls).parameters
    unknown = [key for key in arguments if key not in parameters or key in FROM_DATA]
    if unknown:
        raise ConfigError(f"{name} has no argument {', '.join(map(repr, unknown))[:100]}")
    if "weights" in arguments:
        arguments["weights"] = "none"  # they come from the file beside; nothing is downloaded
    hints, inner = argument_types(cls), network_arguments(cls)
    try:
        checked = {
            key: _maker(value, known)
            if key in inner and isinstance(value, NetworkSpec)
            else fitted(value, hints.get(key, Any), f"{name}.{key}")
            for key, value in arguments.items()
        }
    except ValueError as error:
        raise ConfigError(f"{name} cannot be built: {error}") from None
    return partial(cls, **checked)
