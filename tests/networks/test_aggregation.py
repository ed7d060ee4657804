import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.golden_cases import Case, golden
from torch import Tensor

from scribbleseg.exchange.checkpoint_layouts.blpseg import LAYOUT
from scribbleseg.networks import aggregation
from scribbleseg.networks.aggregation import LocalAggregation, PatchEmbedding, local_aggregation


def direct(logits: Tensor, features: Tensor, sigma: float) -> Tensor:
    """The formula as it is printed, with the matrix of all pairs; ``[source, target]``."""
    height, width = logits.shape[-2:]
    row, column = (index.flatten() for index in torch.meshgrid(
        torch.arange(height), torch.arange(width), indexing="ij"
    ))  # fmt: skip
    distance = ((row[:, None] - row).square() + (column[:, None] - column).square()).to(logits)
    vectors = features.flatten(2)
    weight = (vectors.mT @ vectors).softmax(dim=1) * torch.exp(-distance / (2 * sigma**2))
    weight = weight / (weight.sum(dim=1, keepdim=True) + 1e-7)
    return (logits.flatten(2) @ weight).view_as(logits)


def random(*shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Tensor:
    return (scale * torch.randn(*shape, dtype=dtype)).requires_grad_()


@golden("blpseg", "lam")
@pytest.mark.parametrize("pairs", [1, 300, 1 << 19])
def test_golden(case: Case, pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "PAIRS", pairs)
    logits = torch.tensor(case["logits"], requires_grad=True)
    features = torch.tensor(case["feat"], requires_grad=True)
    result = local_aggregation(logits, features, sigma=float(case["sigma"]))
    close = {"rtol": 1e-9, "atol": 1e-12}  # the vectors' own: 1e-9
    torch.testing.assert_close(result.detach(), torch.tensor(case["out"]), **close)
    (result * torch.tensor(case["upstream"])).sum().backward()
    torch.testing.assert_close(logits.grad, torch.tensor(case["grad_logits"]), **close)
    torch.testing.assert_close(features.grad, torch.tensor(case["grad_feat"]), **close)


@settings(deadline=None, max_examples=50)
@given(
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    pairs=st.integers(1, 900),
    scale=st.sampled_from([0.1, 1.0, 8.0]),
    sigma=st.sampled_from([0.5, 2.0, 6.0]),
)
def test_equal_to_the_whole_matrix(
    height: int, width: int, pairs: int, scale: float, sigma: float
) -> None:
    """Also where embeddings are so sharp that no source remains near."""
    torch.manual_seed(height * width)
    logits, features = random(2, 3, height, width), random(2, 4, height, width, scale=scale)
    weight = torch.randn(2, 3, height, width, dtype=torch.float64)
    whole = direct(logits, features, sigma)
    expected = torch.autograd.grad((whole * weight).sum(), (logits, features))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aggregation, "PAIRS", pairs)
        result = local_aggregation(logits, features, sigma=sigma)
        found = torch.autograd.grad((result * weight).sum(), (logits, features))
    close = {"rtol": 1e-9, "atol": 1e-12}
    torch.testing.assert_close(result, whole, **close)
    for gradient, right in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, right, **close)


def test_nothing_of_the_size_of_all_pairs_is_kept() -> None:
    logits, features = random(1, 2, 16, 16), random(1, 3, 16, 16)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        local_aggregation(logits, features).sum().backward()
    assert kept
    assert max(kept) <= 3 * 16 * 16


def test_recorded_graphs_have_the_same_formula() -> None:
    logits, features = random(2, 3, 4, 5), random(2, 6, 4, 5)
    values, guide = (tensor.flatten(2).mT for tensor in (logits, features))
    near = [aggregation._gaussian(side, 2.0, values) for side in (4, 5)]
    whole = aggregation._whole(values, guide, *near).mT.reshape(logits.shape)
    torch.testing.assert_close(whole, local_aggregation(logits, features, sigma=2.0))


def test_far_lookalikes_have_no_weight_in_float32() -> None:
    logits, features = torch.zeros(1, 1, 1, 96), torch.zeros(1, 2, 1, 96)
    logits[..., -1], features[:, 0], features[:, 0, :, -1] = 10.0, 1.0, 40.0
    expected = direct(logits.double(), features.double(), 6.0).float()
    actual = local_aggregation(logits, features, sigma=6.0)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def test_constant_logits_stay_as_they_are() -> None:
    logits = torch.full((1, 2, 5, 6), 3.0)
    aggregated = local_aggregation(logits, torch.randn(1, 4, 5, 6))
    torch.testing.assert_close(aggregated, logits, rtol=1e-4, atol=0)


def test_a_wide_gaussian_and_equal_embeddings_give_the_mean() -> None:
    logits = torch.randn(1, 2, 5, 6)
    aggregated = local_aggregation(logits, torch.ones(1, 4, 5, 6), sigma=1e6)
    mean = logits.mean(dim=(2, 3), keepdim=True).expand_as(logits)
    torch.testing.assert_close(aggregated, mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_are_never_formed_in_half_precision(dtype: torch.dtype) -> None:
    logits = random(1, 3, 6, 7, dtype=torch.float32)
    features = random(1, 8, 6, 7, scale=4.0, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        result = local_aggregation(logits, features)
        result.square().sum().backward()
    assert result.dtype == torch.float32
    assert features.grad is not None
    found, features.grad = features.grad, None
    plain = local_aggregation(logits, features)
    plain.square().sum().backward()
    torch.testing.assert_close(result, plain)
    torch.testing.assert_close(features.grad, found)
    assert local_aggregation(logits.bfloat16(), features.bfloat16()).dtype == torch.float32


def test_inputs_are_unchanged() -> None:
    logits, features = random(1, 3, 4, 5), random(1, 2, 8, 9)
    before = logits.detach().clone(), features.detach().clone()
    local_aggregation(logits, features).sum().backward()
    assert torch.equal(logits, before[0])
    assert torch.equal(features, before[1])


@golden("blpseg", "modules")
def test_golden_patch_embedding(case: Case) -> None:
    names = LAYOUT.names
    weights = {
        key.removeprefix("patch_embed/sd/"): torch.tensor(case[key])
        for key in case
        if key.startswith("patch_embed/sd/")
    }
    theirs = {
        (str(names[f"embed_proj.{part}."]).rsplit(".", 2)[1], kind): weights[f"{part}.{kind}"]
        for part in ("proj", "norm", "conv")
        for kind in ("weight", "bias")
    }
    channels, in_channels, patch, _ = weights["proj.weight"].shape
    module = PatchEmbedding(in_channels, channels, patch).double()
    module.load_state_dict({f"{part}.{kind}": value for (part, kind), value in theirs.items()})
    embedding = module(torch.tensor(case["patch_embed/x"]))
    torch.testing.assert_close(embedding, torch.tensor(case["patch_embed/out"]), rtol=1e-9, atol=0)


def test_the_embedding_learns_through_the_aggregation() -> None:
    module = LocalAggregation(3, 8, patch=2)
    module(torch.randn(2, 4, 3, 5), torch.randn(2, 3, 6, 9)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


def test_no_matrix_of_pairs_is_in_a_checkpoint() -> None:
    assert sum(value.numel() for value in LocalAggregation(3, 8).state_dict().values()) < 1000


@pytest.mark.parametrize("wrong", [{"sigma": 0.0}, {"patch": 0}, {"channels": 0}])
def test_impossible_options(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        LocalAggregation(3, **wrong)  # type: ignore[arg-type]
