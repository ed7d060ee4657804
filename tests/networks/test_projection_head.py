import torch
from torch import nn

from scribbleseg.networks.projection_head import ProjectionHead


def test_sizes_are_the_published_ones() -> None:
    with torch.device("meta"):
        head = ProjectionHead()
    sizes = [tuple(p.shape) for p in head.parameters() if p.ndim == 2]
    assert sizes == [(1024, 256), (2048, 768), (2048, 2048), (256, 2048)]
    with torch.device("meta"):
        small = ProjectionHead(8, hidden_channels=7, bottleneck_channels=6, out_channels=5)
        assert small(torch.zeros(2, 8)).shape == (2, 5)


def test_it_is_a_weight_normalised_layer_of_gain_one() -> None:
    torch.manual_seed(0)
    head = ProjectionHead(8, hidden_channels=7, bottleneck_channels=6, out_channels=5).double()
    last = nn.utils.parametrizations.weight_norm(nn.Linear(6, 5, bias=False)).double()
    with torch.no_grad():
        last.parametrizations.weight.original0.fill_(1)
        last.parametrizations.weight.original1.copy_(head.directions)
    token = torch.randn(3, 8, dtype=torch.float64)
    vector = head.mlp(token)
    wanted = last(vector / vector.norm(dim=1, keepdim=True))
    torch.testing.assert_close(head(token), wanted)
    wanted.square().sum().backward()
    gradient = last.parametrizations.weight.original1.grad
    head(token).square().sum().backward()
    torch.testing.assert_close(head.directions.grad, gradient)


def test_it_starts_as_published() -> None:
    torch.manual_seed(0)
    head = ProjectionHead(64, hidden_channels=128)
    for layer in head.mlp:
        if isinstance(layer, nn.Linear):
            assert abs(layer.weight.std() - 0.02) < 0.002
            assert not layer.bias.any()
    linear = nn.Linear(256, 1024, bias=False).weight  # published: a new linear layer
    assert head.directions.shape == linear.shape
    assert abs(head.directions.std() / linear.std() - 1) < 0.01
