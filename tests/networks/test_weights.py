import time
from pathlib import Path

import pytest
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from scribbleseg.errors import CheckpointError
from scribbleseg.networks import UNet
from scribbleseg.networks.weights import build_encoder


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return dict(UNet(2, encoder="resnet18").encoder.state_dict())


@pytest.mark.parametrize("prefix", ["", "module.", "encoder."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_is_loaded_whatever_wraps_it(
    resnet18: dict[str, torch.Tensor], tmp_path: Path, prefix: str, wrapped: bool
) -> None:
    state = {prefix + key: value for key, value in resnet18.items()} | {
        prefix + "fc.weight": torch.zeros(2, 2)
    }
    torch.save({"state_dict": state} if wrapped else state, tmp_path / "w.pth")
    loaded = UNet(2, encoder="resnet18", weights=str(tmp_path / "w.pth")).encoder.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in resnet18.items())


def test_safetensors_and_grey_pictures(resnet18: dict[str, torch.Tensor], tmp_path: Path) -> None:
    save_file(
        {key: value.contiguous() for key, value in resnet18.items()}, tmp_path / "w.safetensors"
    )
    net = UNet(2, 1, encoder="resnet18", weights=str(tmp_path / "w.safetensors"))
    torch.testing.assert_close(
        net.encoder.conv1.weight, resnet18["conv1.weight"].sum(dim=1, keepdim=True)
    )


def test_a_damaged_file_in_the_cache_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise SafetensorError("Error while deserializing header: HeaderTooLarge")

    monkeypatch.setattr("scribbleseg.networks.weights._check_download", lambda _: None)
    monkeypatch.setattr("scribbleseg.networks.weights._EncoderAlone", damaged)
    with pytest.raises(CheckpointError, match=r"'imagenet' for encoder 'resnet18': .*HeaderToo"):
        build_encoder("resnet18", "imagenet", 3)


def test_timm_encoders_load_timm_files(tmp_path: Path) -> None:
    model = timm.create_model("test_convnext", pretrained=False)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    net = UNet(2, encoder="tu-test_convnext", weights=str(tmp_path / "w.pth"))
    torch.testing.assert_close(
        net.encoder.state_dict()["model.stem_0.weight"], model.state_dict()["stem.0.weight"]
    )


def test_the_wrong_file_is_refused_with_the_differences(
    resnet18: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(resnet18, tmp_path / "w.pth")
    with pytest.raises(
        CheckpointError,
        match=r"w\.pth: does not hold the weights of encoder 'resnet34': layer1\.2.* missing",
    ):
        UNet(2, encoder="resnet34", weights=str(tmp_path / "w.pth"))
    torch.save({"something": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pth"):
        UNet(2, encoder="tu-test_convnext", weights=str(tmp_path / "x.pth"))
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(CheckpointError, match=r"text\.pth: not a readable weight file"):
        UNet(2, encoder="resnet18", weights=str(tmp_path / "text.pth"))
    with pytest.raises(CheckpointError, match="'nowhere' is neither none, imagenet nor a file"):
        UNet(2, encoder="resnet18", weights="nowhere")


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_weight_file_is_never_executed(tmp_path: Path) -> None:
    torch.save({"state_dict": Payload(tmp_path / "executed")}, tmp_path / "evil.pth")
    for encoder in ("resnet18", "tu-test_convnext"):
        with pytest.raises(CheckpointError, match=r"evil\.pth"):
            UNet(2, encoder=encoder, weights=str(tmp_path / "evil.pth"))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet18"])
def test_imagenet_without_network_fails_at_once(
    encoder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    started = time.monotonic()
    with pytest.raises(
        CheckpointError,
        match=r"not cached and cannot be downloaded .*weight file, set weights to none",
    ):
        UNet(2, encoder=encoder, weights="imagenet")
    assert time.monotonic() - started < 5
