import pytest
import torch
from tests.golden_cases import Case, golden
from torch import Tensor, nn

from scribbleseg.networks import PlainUNet
from scribbleseg.networks.mean_teacher import MeanTeacher


class Weight(nn.Module):
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = nn.Parameter(value)


@golden("baselines", "ema")
def test_matches_reference(case: Case) -> None:
    weights = {
        name: torch.as_tensor(case[name], dtype=torch.float64)
        for name in ("teacher_start", "student", "teacher")
    }
    teacher = MeanTeacher(Weight(weights["teacher_start"]), decay=case["decay"])
    for index, value in enumerate(weights["student"]):
        teacher.update(Weight(value), case["first_step"] + index)
        found = teacher.net.get_parameter("value")
        expected = weights["teacher"][index]
        torch.testing.assert_close(found.detach(), expected, rtol=1e-9, atol=1e-9)


def test_it_begins_as_a_copy_and_is_not_trained() -> None:
    student = PlainUNet(3, 3, widths=(4, 8)).train()
    teacher = MeanTeacher(student).train()
    image = torch.randn(2, 3, 8, 8)
    seen = teacher(image)
    assert torch.equal(seen, student(image))
    assert not seen.requires_grad
    assert not any(p.requires_grad for p in teacher.parameters())
    shared = {p.data_ptr() for p in student.parameters()}
    assert shared.isdisjoint(p.data_ptr() for p in teacher.parameters())


def test_its_statistics_are_those_of_the_student() -> None:
    student = PlainUNet(3, 3, widths=(4, 8)).train()
    teacher = MeanTeacher(student).train()
    teacher(torch.randn(2, 3, 8, 8))
    for (name, kept), (_, value) in zip(
        teacher.net.named_buffers(), student.named_buffers(), strict=True
    ):
        assert torch.equal(kept, value), name
    student(torch.randn(2, 3, 8, 8) + 5)
    teacher.update(student, 500)
    mean = "encoder.0.1.running_mean"
    assert torch.equal(teacher.net.get_buffer(mean), student.get_buffer(mean))
    assert student.get_buffer(mean).abs().max() > 0


@pytest.mark.parametrize("step", [0, 4])
def test_the_first_step_copies_and_later_ones_move(step: int) -> None:
    teacher = MeanTeacher(Weight(torch.zeros(1)))
    teacher.update(Weight(torch.ones(1)), step)
    torch.testing.assert_close(
        teacher.net.get_parameter("value").detach(), torch.tensor([1 / (step + 1)])
    )
