"""A copy of a network that follows its weights slowly and teaches it."""

import copy

import torch
from torch import Tensor, nn

from scribbleseg.networks.running_statistics import kept_statistics

__all__ = ["MeanTeacher", "teacher_momentum"]


class MeanTeacher(nn.Module):
    """Weights that are a moving average of a student's; buffers that are the student's.

    Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017. Its passes change
    no running statistics. Nothing here is trained; it is saved with the method that owns it.

    Args:
        student: Network to begin as a copy of.
        decay: Share of itself that the teacher keeps in a step, once there were enough of them.
    """

    def __init__(self, student: nn.Module, *, decay: float = 0.99) -> None:
        super().__init__()
        self.net = copy.deepcopy(student).requires_grad_(requires_grad=False)
        self.decay = decay

    def forward(self, image: Tensor) -> Tensor:
        """Logits, without a gradient."""
        with torch.no_grad(), kept_statistics(self.net):
            logits: Tensor = self.net(image)
        return logits

    @torch.no_grad()
    def update(self, student: nn.Module, step: int) -> None:
        """Move towards the student.

        Args:
            student: Network of the same kind, after the optimiser step.
            step: Number of that optimiser step, from 0 on.
        """
        momentum = teacher_momentum(step, self.decay)
        for slow, fast in zip(self.net.parameters(), student.parameters(), strict=True):
            slow.lerp_(fast, 1 - momentum)
        for kept, value in zip(self.net.buffers(), student.buffers(), strict=True):
            kept.copy_(value)


def teacher_momentum(step: int, decay: float) -> float:
    """``min(1 - 1 / (step + 1), decay)``: the mean of all students first, then a moving one.

    >>> [round(teacher_momentum(step, 0.7), 2) for step in range(5)]
    [0.0, 0.5, 0.67, 0.7, 0.7]
    """
    return min(1 - 1 / (step + 1), decay)
