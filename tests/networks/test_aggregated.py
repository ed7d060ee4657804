from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scribbleseg.errors import ConfigError
from scribbleseg.networks import Aggregated, MultiGridDeepLab, PlainUNet
from scribbleseg.networks.aggregated import cell_means
from scribbleseg.networks.aggregation import local_aggregation
from scribbleseg.networks.annotation_network import AnnotationNetwork
from scribbleseg.networks.semantic_map import SemanticNetwork

UNET = partial(PlainUNet, widths=(4, 8, 12))


def make(**options: Any) -> Aggregated:
    torch.manual_seed(0)
    return Aggregated(3, 1, base=UNET, embedding_channels=8, **options)


def test_logits_and_map_at_any_size() -> None:
    net = make().eval()
    assert isinstance(net, AnnotationNetwork)
    assert isinstance(net, SemanticNetwork)
    image = torch.randn(2, 1, 21, 30)
    with torch.inference_mode():
        logits, annotation = net.with_annotation(image)
        assert torch.equal(logits, net(image))
        assert torch.equal(logits, net.with_semantic_map(image)[0])
        _, semantic = net.base.with_semantic_map(image)
    assert logits.shape == (2, 3, 21, 30)
    assert annotation.shape == (2, 4, 21, 30)
    assert net.semantic_channels == semantic.shape[1] == 12


class Constant(nn.Module):
    """A network whose logits are the same in each cell of 4 x 4 pixels."""

    semantic_channels = 1

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.randn(1, num_classes, 5, 6))

    def with_semantic_map(self, image: Tensor) -> tuple[Tensor, Tensor]:
        return self.values.repeat_interleave(4, 2).repeat_interleave(4, 3), self.values[:, :1]

    def forward(self, image: Tensor) -> Tensor:
        return self.with_semantic_map(image)[0]


def test_what_is_added_is_what_aggregation_changes() -> None:
    net = Aggregated(3, base=Constant, sigma=2.0)
    image = torch.randn(1, 3, 20, 24)
    assert net.aggregation is not None
    embedding = net.aggregation.embedding(image)
    aggregated = local_aggregation(net.base.values, embedding, sigma=2.0)
    change = F.interpolate(aggregated - net.base.values, size=(20, 24), mode="bilinear")
    torch.testing.assert_close(net(image), net.base(image) + change)


def test_without_aggregation_the_logits_are_those_of_the_base() -> None:
    net, image = make(aggregation=False).eval(), torch.randn(1, 1, 16, 20)
    assert torch.equal(net(image), net.base(image))
    assert not any("embedding" in name for name, _ in net.named_parameters())


def test_the_annotation_head_changes_nothing_else() -> None:
    net = make()
    _, annotation = net.with_annotation(torch.randn(2, 1, 16, 16))
    annotation.square().mean().backward()
    assert all(
        name.startswith("annotation_head") == (p.grad is not None)
        for name, p in net.named_parameters()
    )


def test_every_other_weight_gets_a_gradient_from_the_logits() -> None:
    net = make()
    net(torch.randn(2, 1, 18, 16)).square().mean().backward()
    assert all(
        name.startswith("annotation_head") == (p.grad is None) for name, p in net.named_parameters()
    )


@pytest.mark.parametrize(("patch", "cells"), [(1, (9, 7)), (2, (5, 4)), (4, (3, 2)), (16, (1, 1))])
def test_means_count_pixels_of_the_map_only(patch: int, cells: tuple[int, int]) -> None:
    logits = torch.randn(2, 3, 9, 7)
    means = cell_means(logits, patch)
    assert means.shape == (2, 3, *cells)
    corner = logits[:, :, (cells[0] - 1) * patch :, (cells[1] - 1) * patch :]
    torch.testing.assert_close(means[:, :, -1, -1], corner.mean(dim=(2, 3)))


def test_a_base_of_its_own_stride() -> None:
    net = Aggregated(2, base=partial(MultiGridDeepLab, depth=50, head="v2"), patch=8).eval()
    with torch.inference_mode():
        assert net(torch.randn(1, 3, 33, 18)).shape == (1, 2, 33, 18)


def test_a_base_without_a_semantic_map_is_refused() -> None:
    with pytest.raises(ConfigError, match="Conv2d has no with_semantic_map"):
        Aggregated(2, base=lambda classes, channels: nn.Conv2d(channels, classes, 1))


def test_a_base_that_aggregates_itself_is_refused() -> None:
    with pytest.raises(ConfigError, match="give it as the network itself"):
        Aggregated(3, 1, base=lambda classes, channels: make())
