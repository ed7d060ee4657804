"""What a training step of each method spends outside its networks.

    python benchmarks/step_profile.py            # the small configs on ACDC; needs the real data
    python benchmarks/step_profile.py shapes     # the same on the embedded example
    python benchmarks/step_profile.py acdc pfa blpseg --trainer.precision bf16-mixed

A step is everything from one to the next, loading and the optimiser included. The calls of the
networks in it are noted and afterwards made again on the same inputs, forward and, from gradients
of noise, backward: that is their share. The update of the weights lasts from where all gradients
are there to the end of the step. Medians over the steps, in CPU time of one thread.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import lightning as L
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map

from scribbleseg.cli.configs import with_config
from scribbleseg.cli.train import TrainingCLI

WARM_UP = 12
STEPS = 13
NETWORKS = ("net", "pseudo_net", "auxiliary", "teacher")
ENTRIES = (
    "forward",
    "encode",
    "decode",
    "split",
    "with_semantic_map",
    "with_annotation",
    "tokens",
    "classify",
    "segment",
)
"""How methods call a network; only the outermost call counts."""

OPTIONS = {
    # Stages that would begin later.
    "pfa": ["--model.prototype_start", "4"],
    "blpseg": ["--model.pseudo_start", "4"],
    # Any label maps will do.
    "cdsp": ["--data.pseudo_labels", "{masks}"],
    "self_training": ["--data.pseudo_labels", "{masks}"],
}
MASKS = {"acdc": "SegmentationClass", "shapes": "masks"}
METHODS = (
    "full_supervision",
    "partial_ce",
    "entropy_minimisation",
    "total_variation",
    "mumford_shah",
    "gated_crf",
    "tree_energy",
    "dmpls",
    "ustm",
    "self_training",
    "cdsp",
    "toco",
    "lpl",
    "pfa",
    "blpseg",
)
CONFIGS = {
    "acdc": {name: f"acdc/{name}_small.yaml" for name in METHODS},
    "shapes": {
        name: f"shapes/{name}{'_stage1' if name == 'lpl' else ''}.yaml"
        for name in METHODS
        if name != "entropy_minimisation"
    },
}


def main() -> None:
    """Measure, and print a Markdown table."""
    words = sys.argv[1:]
    given = next((place for place, word in enumerate(words) if word.startswith("--")), len(words))
    dataset, *methods = words[:given] or ["acdc"]
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    print("| method | step, ms | networks, ms | elsewhere | loading | update |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in methods or CONFIGS[dataset]:
        options = [word.format(masks=MASKS[dataset]) for word in OPTIONS.get(name, [])]
        options += words[given:]
        found = profile(CONFIGS[dataset][name], options)
        rest = 1 - found.networks / found.step
        print(
            f"| {name} | {found.step:.0f} | {found.networks:.0f} | {rest:.0%} | "
            f"{found.loading / found.step:.0%} | {found.update / found.step:.0%} |",
            flush=True,
        )


@dataclass(frozen=True)
class Found:
    """Milliseconds of a step.

    Args:
        step: All of it.
        networks: Forward and backward of its networks.
        loading: Waiting for the batch.
        update: The optimiser and what follows it.
    """

    step: float
    networks: float
    loading: float
    update: float


def profile(config: str, options: list[str]) -> Found:
    """Train a few steps of a config."""
    words = ["--config", config, *options, "--data.num_workers", "0", "--data.val", "null"]
    words += ["--trainer.max_steps", str(WARM_UP + STEPS), "--trainer.logger", "false"]
    words += ["--trainer.enable_checkpointing", "false", "--trainer.enable_progress_bar", "false"]
    cli = TrainingCLI("fit", with_config("fit", words))
    clock = StepClock()
    cli.trainer.callbacks.append(clock)
    cli.trainer.fit(cli.model, cli.datamodule)
    return clock.found()


@dataclass(frozen=True)
class Call:
    """One call of a network, or of a function that a network's call has returned.

    Args:
        function: The function; of a returned one the call that returned it, and which it is.
        arguments: Its arguments, cut from what has made them.
        with_gradient: Whether gradients were wanted.
        autocast: Whether it computed in bfloat16.
    """

    function: Callable[..., Any] | tuple[int, int]
    arguments: tuple[Any, ...]
    with_gradient: bool
    autocast: bool


class StepClock(L.Callback):
    """Times steps, and the same calls of the networks alone."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.inside = False
        self.started = 0.0
        self.taken: list[tuple[float, float, float, float]] = []
        self.loaded = self.updating = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen to the networks."""
        for network in NETWORKS:
            module = getattr(pl_module, network, None)
            for entry in ENTRIES if isinstance(module, nn.Module) else ():
                if hasattr(module, entry):
                    function = getattr(module, entry)
                    setattr(module, entry, partial(self.noted, function, function))
        self.started = time.process_time()

    def noted(
        self,
        function: Callable[..., Any],
        name: Callable[..., Any] | tuple[int, int],
        *arguments: Any,
    ) -> Any:
        """Call it, and remember the call unless it is part of another."""
        if self.inside:
            return function(*arguments)
        self.inside = True
        number = len(self.calls)
        inputs = tree_map(_detached, arguments)
        autocast = torch.is_autocast_enabled("cpu")
        self.calls.append(Call(name, inputs, torch.is_grad_enabled(), autocast))
        try:
            result = function(*arguments)
        finally:
            self.inside = False
        if type(result) is tuple:  # the rest of a network that was split is a function
            return tuple(
                partial(self.noted, one, (number, place)) if callable(one) else one
                for place, one in enumerate(result)
            )
        return result

    def on_train_batch_start(self, *args: Any) -> None:
        """The batch is there."""
        self.loaded = time.process_time()
        self.calls.clear()

    def on_before_optimizer_step(self, *args: Any) -> None:
        """All gradients are there."""
        self.updating = time.process_time()

    def on_train_batch_end(self, *args: Any) -> None:
        """Time the networks' calls; they are no part of the next step."""
        ended = time.process_time()
        calls, self.inside = list(self.calls), True
        began = time.process_time()
        again(calls)
        networks = time.process_time() - began
        self.inside = False
        loading, update = self.loaded - self.started, ended - self.updating
        self.taken.append((ended - self.started, networks, loading, update))
        self.started = time.process_time()

    def found(self) -> Found:
        """Medians."""
        columns = zip(*self.taken[WARM_UP:], strict=True)
        return Found(*(1000 * statistics.median(column) for column in columns))


def again(calls: list[Call]) -> None:
    """All of them forward, and those that had a gradient backward."""
    results: list[Any] = []
    for call in calls:
        function = call.function
        if isinstance(function, tuple):
            number, place = function
            function = results[number][place]
        narrow = torch.autocast("cpu", torch.bfloat16, enabled=call.autocast)
        with narrow, torch.set_grad_enabled(call.with_gradient):
            results.append(function(*call.arguments))
    outputs = [
        one for one in tree_flatten(results)[0] if isinstance(one, Tensor) and one.requires_grad
    ]
    torch.autograd.backward(outputs, [torch.randn_like(one) for one in outputs])


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().requires_grad_(value.requires_grad)
    return value


if __name__ == "__main__":
    main()
