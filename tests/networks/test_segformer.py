import pytest
import torch
from tests.golden_cases import Case, golden
from tests.tiny_mit import published_state, tiny_segformer
from torch import nn

from scribbleseg.errors import ConfigError
from scribbleseg.exchange.checkpoint_layouts.pfa import LAYOUT
from scribbleseg.exchange.convert import translate
from scribbleseg.networks import Segformer

EXACT = {"rtol": 1e-7, "atol": 1e-9}


@golden("pfa", "encoder_tiny")
def test_the_encoder_of_the_published_code(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    make = tiny_segformer(monkeypatch, depths=case["depths"], decoder_channels=8)
    net = make(2).double().eval()
    net.encoder.load_state_dict(published_state(case, "param."))
    for index, stride in enumerate(case["stride"], start=1):
        patches = getattr(net.encoder, f"patch_embed{index}").proj
        assert patches.stride == (stride, stride)
    with torch.inference_mode():
        maps = net.encoder(torch.tensor(case["image"]))[2:]
    for index, found in enumerate(maps, start=1):
        torch.testing.assert_close(found, torch.tensor(case[f"c{index}"]), **EXACT)


@golden("pfa", "decoder_head")
def test_the_decoder_of_the_published_code(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = [torch.tensor(case[f"c{index}"]) for index in range(1, 5)]
    channels, classes = case["eval_feat"].shape[1], case["eval_pred"].shape[1]
    net = tiny_segformer(
        monkeypatch,
        widths=[each.shape[1] for each in maps],
        heads=[1, 1, 1, 1],
        decoder_channels=channels,
    )(classes).double()
    state = {f"decoder.{key}": value for key, value in published_state(case, "param.").items()}
    weights, _ = translate(state, LAYOUT, case.path)
    missing, unknown = net.load_state_dict(weights, strict=False)
    assert all(name.startswith("encoder.") for name in missing)
    assert unknown == []
    # The decoder reads the size of the picture from the first of the encoder's maps.
    picture = maps[0].new_zeros(len(maps[0]), 3, *(4 * side for side in maps[0].shape[-2:]))
    given = [picture, picture.new_zeros(len(picture), 0, 1, 1), *maps]
    for mode in ("eval", "train"):
        net.train(mode == "train")
        features = net.decoder(given)
        logits = net.classifier[0](features)
        torch.testing.assert_close(features, torch.tensor(case[f"{mode}_feat"]), **EXACT)
        torch.testing.assert_close(logits, torch.tensor(case[f"{mode}_pred"]), **EXACT)
    norm = net.decoder.fuse_stage[1]
    for statistic in ("mean", "var"):
        found = getattr(norm, f"running_{statistic}")
        torch.testing.assert_close(found, torch.tensor(case[f"running_{statistic}_after"]), **EXACT)


def test_mit_b1_has_the_published_size_and_maps() -> None:
    net = Segformer(21, last_stride=1, dropout=0.1)
    assert sum(p.numel() for p in net.encoder.parameters()) == 13_151_424
    head = [*net.decoder.parameters(), *net.classifier.parameters()]
    assert sum(p.numel() for p in head) == 531_221
    norms = [p for name, p in net.encoder.named_parameters() if "norm" in name]
    assert (len(norms), sum(p.numel() for p in norms)) == (60, 14_336)
    with torch.inference_mode():
        maps = net.eval().features(torch.zeros(1, 3, 64, 80))
    sizes = [tuple(each.shape[1:]) for each in maps]
    assert sizes == [(256, 16, 20), (64, 16, 20), (128, 8, 10), (320, 4, 5), (512, 4, 5)]
    assert not any(m.dilation != (1, 1) for m in net.modules() if isinstance(m, nn.Conv2d))


def test_the_head_starts_as_in_the_published_code() -> None:
    net = Segformer(21, encoder="mit_b0")
    fusion = net.decoder.fuse_stage[0].weight
    assert fusion.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.02)
    for linear in [stage.linear for stage in net.decoder.mlp_stage]:
        bound = linear.in_features**-0.5
        assert bound > linear.weight.abs().max() > 0.99 * bound
        assert bound > linear.bias.abs().max() > 0.8 * bound
    classifier = net.classifier[0]
    assert 1 / 16 > classifier.bias.abs().max() > 0.8 / 16


def test_whole_channels_are_dropped_in_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    net = tiny_segformer(monkeypatch, decoder_channels=64, dropout=0.5)(3)
    net.decoder.fuse_stage[2] = nn.Identity()  # without the ReLU nothing else is 0
    image = torch.randn(2, 3, 32, 32)
    dropped = (net.features(image)[0] == 0).float().mean(dim=(2, 3))
    assert set(dropped.unique().tolist()) == {0.0, 1.0}
    assert 0.3 < dropped.mean() < 0.7
    assert not (net.eval().features(image)[0] == 0).any()


def test_sides_need_to_be_multiples_of_the_last_maps_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Segformer(2, encoder="mit_b0").stride, Segformer(2, last_stride=1).stride) == (32, 16)
    net = tiny_segformer(monkeypatch, decoder_channels=8)(3).eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 37, 51)).shape == (1, 3, 37, 51)


def test_other_encoders_keep_their_strides() -> None:
    with pytest.raises(ConfigError, match=r"last_stride 1 is for .*mit_b5, not 'resnet18'"):
        Segformer(2, encoder="resnet18", last_stride=1)
