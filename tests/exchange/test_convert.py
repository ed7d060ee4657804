import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from tests.golden_cases import FOLDER, Case, golden
from tests.networks.test_weights import Payload
from tests.reference_weights import reference_weights
from torch import Tensor

from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.exchange import (
    CheckpointLayout,
    Dropped,
    NetworkSpec,
    Picture,
    Reading,
    checkpoint_layout_names,
    convert_checkpoint,
    initialise,
    load,
)
from scribbleseg.exchange.checkpoint_layouts import load_checkpoint_layout
from scribbleseg.exchange.convert import read_state, translate
from scribbleseg.exchange.model_folder import read_folder
from scribbleseg.networks import PlainUNet

CSP_UNET = FOLDER / "cdsp/checkpoint_keys/csp_unet_4.json"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with the published names, as a training script stores it."""
    state = reference_weights(json.loads(CSP_UNET.read_text()))
    path = tmp_path_factory.mktemp("published") / "checkpoint.pth"
    wrapped = {f"module.{key}": value for key, value in state.items()}
    torch.save({"epoch": 50, "state_dict": wrapped, "optimizer": {"state": {}}}, path)
    return path


@golden("cdsp", "net_unet")
def test_converted_weights_give_the_published_logits(
    case: Case, published: Path, tmp_path: Path
) -> None:
    done = convert_checkpoint(published, tmp_path / "m")
    assert (done.layout.name, dict(done.dropped)) == ("csp_unet", {})
    net, model = read_folder(tmp_path / "m")
    with torch.inference_mode():
        logits = net.double()(torch.from_numpy(case["input"]).double())
    np.testing.assert_allclose(logits.numpy(), case["logits"], rtol=1e-7, atol=1e-9)
    assert model.class_names == ("class 0", "class 1", "class 2", "class 3")
    assert "converted from: U-Net of the CSPNet code" in (tmp_path / "m/README.md").read_text()


def test_the_folder_is_ready_for_use(published: Path, tmp_path: Path) -> None:
    names = ["background", "RV", "MYO", "LV"]
    convert_checkpoint(published, tmp_path / "m", class_names=names, license="mit")
    predictor = load(tmp_path / "m")
    assert predictor.class_names == names
    assert predictor(np.zeros((20, 30), np.uint8)).shape == (20, 30)
    start = PlainUNet(
        4, 3, widths=(64, 128, 256, 512, 1024), activation="relu", classifier_kernel=1
    )
    initialise(start, tmp_path / "m")
    for key, value in predictor.net.state_dict().items():
        assert torch.equal(start.state_dict()[key], value)


def reference_names(layout: CheckpointLayout, ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our weights under the names of a layout: the inverse of its rules."""
    back = {own: theirs for theirs, own in layout.names.items() if isinstance(own, str)}
    return {
        next(back[own] + key.removeprefix(own) for own in back if key.startswith(own)): value
        for key, value in ours.items()
    }


@pytest.mark.parametrize(
    ("name", "net"),
    [
        (
            "csp_unet",
            PlainUNet(5, 3, widths=(2, 3, 4, 5, 6), activation="relu", classifier_kernel=1),
        ),
        (
            "wsl4mis_unet",
            PlainUNet(4, 1, widths=(2, 3, 4, 5, 6), upsampling="bilinear", conv_bias=True),
        ),
        ("wsl4mis_unet", PlainUNet(4, 1, widths=(2, 3, 4, 5, 6), conv_bias=True)),
    ],
    ids=["csp_unet", "wsl4mis_unet", "wsl4mis_unet-transposed"],
)
def test_there_and_back(name: str, net: PlainUNet, tmp_path: Path) -> None:
    theirs = reference_names(load_checkpoint_layout(name), net.state_dict())
    assert len(theirs) == len(net.state_dict())
    save_file(theirs, tmp_path / "w.safetensors")
    done = convert_checkpoint(tmp_path / "w.safetensors")
    assert done.layout.name == name
    assert set(done.net.state_dict()) == set(net.state_dict())
    image = torch.randn(1, 3 if name == "csp_unet" else 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(done.net(image), net.eval()(image), rtol=0, atol=0)


def test_every_layout_is_found_by_one_form_only() -> None:
    for name in checkpoint_layout_names():
        layout = load_checkpoint_layout(name)
        assert layout.name == name
        prefixes = list(layout.names)
        assert not any(a != b and b.startswith(a) for a in prefixes for b in prefixes), (
            "two rules would speak of one name"
        )


TINY = CheckpointLayout(
    name="tiny",
    source="a test",
    required=("a.weight",),
    names={"a.": "encoder.", "b.": "encoder.", "old.": Dropped("not used")},
    read=lambda shapes: Reading(NetworkSpec("PlainUNet"), shapes["a.weight"][0], 1),
    pictures={1: Picture("L", (0.0,), (1.0,))},
)


def test_rules_account_for_every_name() -> None:
    one = torch.zeros(1)
    weights, dropped = translate({"a.weight": one, "old.bias": one}, TINY, Path("x"))
    assert (list(weights), dropped) == (["encoder.weight"], {"old.bias": "not used"})
    with pytest.raises(
        CheckpointError,
        match=r"x: is not quite of layout tiny: c\.weight is unknown; head is unknown \(2 of 3 ",
    ):
        translate({"a.weight": one, "c.weight": one, "head": one}, TINY, Path("x"))
    with pytest.raises(CheckpointError, match=r"b\.weight becomes encoder\.weight, which is there"):
        translate({"a.weight": one, "b.weight": one}, TINY, Path("x"))


@given(st.dictionaries(st.text(max_size=8), st.just(torch.zeros(1))))
def test_nothing_gets_lost(state: dict[str, Tensor]) -> None:
    try:
        weights, dropped = translate(state, TINY, Path("x"))
    except CheckpointError:
        return
    assert len(weights) + len(dropped) == len(state)


@pytest.fixture
def state() -> dict[str, Tensor]:
    """A small network with the published names."""
    net = PlainUNet(4, 3, widths=(2, 3, 4, 5, 6), activation="relu", classifier_kernel=1)
    return reference_names(load_checkpoint_layout("csp_unet"), net.state_dict())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.weight": torch.zeros(1)}, r"not quite of layout csp_unet: fc\.weight is unknown"),
        ({"up4.conv.double_conv.4.running_mean": None}, r"decoder\.0\.5\.running_mean is missing"),
        ({"outc.conv.bias": torch.zeros(5)}, r"classifier\.bias is \(5,\), expected \(4,\)"),
        ({"inc.double_conv.0.weight": torch.zeros(())}, "shapes are not those of layout csp_unet"),
        ({"inc.double_conv.0.weight": torch.zeros(2, 7, 3, 3)}, "shapes are not those of .*: 7"),
        ({"outc.conv.bias": torch.full((4,), torch.inf)}, "values that are not finite"),
        ({"outc.conv.weight": None}, r"it fits none; it has inc\.double_conv\.0\.weight, "),
    ],
)
def test_differences_are_listed_and_nothing_is_written(
    state: dict[str, Tensor], change: dict[str, Tensor | None], message: str, tmp_path: Path
) -> None:
    changed = {key: value for key, value in {**state, **change}.items() if value is not None}
    torch.save({"model": changed}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=rf"w\.pth: .*{message}"):
        convert_checkpoint(tmp_path / "w.pth", tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_layout_can_be_named(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "w.pth")
    convert_checkpoint(tmp_path / "w.pth", layout="csp_unet")
    with pytest.raises(
        CheckpointError, match=r"is not of layout wsl4mis_unet: encoder\.in_conv.* missing; it has"
    ):
        convert_checkpoint(tmp_path / "w.pth", layout="wsl4mis_unet")
    with pytest.raises(ConfigError, match="no layout 'csp_unt'; did you mean 'csp_unet'"):
        convert_checkpoint(tmp_path / "w.pth", layout="csp_unt")
    with pytest.raises(ConfigError, match=r"cannot import 'no\.such'"):
        convert_checkpoint(tmp_path / "w.pth", layout="no.such")
    with pytest.raises(ConfigError, match=r"'os\.path' defines no LAYOUT"):
        convert_checkpoint(tmp_path / "w.pth", layout="os.path")
    with pytest.raises(ConfigError, match="--classes: 2 names for 4 classes"):
        convert_checkpoint(tmp_path / "w.pth", class_names=["a", "b"])


def test_unknown_checkpoints_name_the_known_ones(tmp_path: Path) -> None:
    torch.save({"model": {"backbone.conv1.weight": torch.zeros(1)}}, tmp_path / "w.pth")
    with pytest.raises(
        CheckpointError,
        match=r"of the known layouts \(.*csp_unet.*wsl4mis_unet\) it fits none; it has backbone\.",
    ):
        convert_checkpoint(tmp_path / "w.pth")


def test_wrappers_are_taken_off(tmp_path: Path) -> None:
    state = {"module._orig_mod.a": torch.ones(1), "module._orig_mod.b": torch.ones(1)}
    for number, content in enumerate(
        (state, {"state_dict": state}, {"model": state, "args": None}, {"epoch": 1, "net": state})
    ):
        torch.save(content, tmp_path / f"{number}.pth")
        assert set(read_state(tmp_path / f"{number}.pth")) == {"a", "b"}
    torch.save({"state_dict": {}}, tmp_path / "empty.pth")
    with pytest.raises(CheckpointError, match=r"empty\.pth: holds no tensors"):
        read_state(tmp_path / "empty.pth")


def test_a_hostile_checkpoint_is_never_executed(tmp_path: Path) -> None:
    torch.save({"state_dict": Payload(tmp_path / "executed")}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match=r"evil\.pth: holds more than tensors"):
        convert_checkpoint(tmp_path / "evil.pth", tmp_path / "m")
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "m").exists()


def test_the_folder_is_looked_at_first(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("")
    with pytest.raises(ConfigError, match="exists and is not empty"):
        convert_checkpoint(tmp_path / "none.pth", tmp_path / "full")
