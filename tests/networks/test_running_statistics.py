import pytest
import torch
from torch import nn

from scribbleseg.networks.running_statistics import kept_statistics


def test_the_pass_is_that_of_training_and_leaves_nothing_behind() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.BatchNorm2d(2, affine=False))
    image = torch.randn(3, 1, 4, 4)
    before = {name: value.clone() for name, value in net.named_buffers()}
    with kept_statistics(net):
        inside = net(image)
    assert all(torch.equal(value, before[name]) for name, value in net.named_buffers())
    assert torch.equal(net(image), inside)
    assert int(net[1].num_batches_tracked) == 1
    net.eval()
    with kept_statistics(net):
        inside = net(image)
    assert torch.equal(net(image), inside)


def test_norms_that_keep_no_statistics_go_on_to_keep_none() -> None:
    norm = nn.BatchNorm2d(2, track_running_stats=False)
    with pytest.raises(ZeroDivisionError), kept_statistics(norm):
        raise ZeroDivisionError
    assert not norm.track_running_stats
