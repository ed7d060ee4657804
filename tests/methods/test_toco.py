from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid
from torchvision.transforms import v2

from scribbleseg.data import ScribbleDataModule
from scribbleseg.data.views import RandomColors, Views
from scribbleseg.errors import ConfigError, DataError
from scribbleseg.inference import CamLabels
from scribbleseg.methods import ToCo, toco
from scribbleseg.methods.toco import uncertain_crops
from scribbleseg.networks import PlainUNet, ToCoViT

NETWORK = partial(
    ToCoViT,
    encoder="vit_tiny_patch16_224",
    img_size=48,
    patch_size=8,
    embed_dim=24,
    depth=3,
    num_heads=2,
    aux_block=-2,
    decoder_channels=8,
)
SMALL: dict[str, Any] = {"local_crops": 2, "local_size": 16, "projection": (16, 8, 12)}


def make(**options: Any) -> ToCo:
    torch.manual_seed(0)
    return ToCo(
        network=NETWORK, class_names=["background", "disc", "square"], **{**SMALL, **options}
    )


def batch_of(root: Path) -> dict[str, Any]:
    views = Views(
        joint=[v2.RandomHorizontalFlip()],
        recolored=[RandomColors()],
        other=[v2.RandomResizedCrop((48, 48))],
    )
    data = ScribbleDataModule(str(root), transforms=[views], batch_size=4)
    return data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)


def at_step(task: ToCo, step: int) -> ToCo:
    task.__class__ = type("At", (ToCo,), {"global_step": step})
    return task


CLASSIFICATION = {"classification", "aux_classification"}


@pytest.mark.parametrize(
    ("step", "options", "terms"),
    [
        (0, {}, {"patch_contrast", "class_contrast", "scribble_ce"}),
        (0, {"scribble_weight": 0.0}, {"patch_contrast", "class_contrast"}),
        (1, {"contrast_start": 2}, {"scribble_ce"}),
        (2, {"contrast_start": 2, "class_contrast_weight": 0}, {"patch_contrast", "scribble_ce"}),
        (2000, {"cam_seg_weight": 0.1, "contrast_start": 9999}, {"scribble_ce"}),
        (2001, {"cam_seg_weight": 0.1, "contrast_start": 9999}, {"scribble_ce", "cam_seg_ce"}),
    ],
)
def test_terms_begin_at_their_step_and_weight_zero_has_none(
    step: int, options: dict[str, Any], terms: set[str], drawn: Path
) -> None:
    task, batch = at_step(make(**options), step), batch_of(drawn)
    found, logits = task.training_loss(batch)
    assert set(found) == CLASSIFICATION | terms
    assert logits.shape == (4, 3, 48, 64)
    assert all(torch.isfinite(term) for term in found.values())


MODULE = "scribbleseg.methods.toco"
MAIN, AUX = torch.zeros(4, 2, 48, 64), torch.zeros(4, 2, 48, 64)
MAIN[:, 0, :24], MAIN[:, 1, :, 40:] = 0.9, 0.5
AUX[:, 1, :, :32], AUX[:, 0, 8:16, 48:] = 0.9, 0.8


class Calls:
    """Functions of the method's module that note what they are given, and go on as they do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        self.given: dict[str, tuple[Any, ...]] = {}
        self.options: dict[str, dict[str, Any]] = {}
        self.result: dict[str, Any] = {}
        for name in names:
            monkeypatch.setattr(f"{MODULE}.{name}", self._noting(name, getattr(toco, name)))

    def _noting(self, name: str, function: Any) -> Any:
        def noting(*given: Any, **options: Any) -> Any:
            result = function(*given, **options)
            self.given[name], self.options[name], self.result[name] = given, options, result
            return result

        return noting


@pytest.fixture
def known_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}.multi_scale_cam", lambda *_, **__: (MAIN, AUX))


@pytest.mark.usefixtures("known_maps")
def test_patches_are_contrasted_by_the_auxiliary_maps(
    monkeypatch: pytest.MonkeyPatch, drawn: Path
) -> None:
    calls, task, batch = Calls(monkeypatch, "patch_token_contrast"), make(), batch_of(drawn)
    batch["tags"], batch["valid"] = torch.ones(4, 3), torch.ones(4, 48, 64, dtype=torch.bool)
    batch["valid"][0, 40:] = False
    terms, _ = task.training_loss(batch)
    patches, label = calls.given["patch_token_contrast"]
    assert torch.equal(patches, task.net.tokens(batch["image"]).patches)
    expected = torch.zeros(4, 6, 8, dtype=torch.long)
    expected[:, :, :4], expected[:, 1, 6:] = 2, 1
    expected[0, 5:] = 255
    assert torch.equal(label, expected)
    assert calls.options["patch_token_contrast"] == {"ignore_index": 255}
    torch.testing.assert_close(terms["patch_contrast"], 0.2 * calls.result["patch_token_contrast"])


@pytest.mark.usefixtures("known_maps")
def test_crops_of_the_recoloured_picture_are_contrasted_with_two_global_views(
    monkeypatch: pytest.MonkeyPatch, drawn: Path
) -> None:
    calls = Calls(monkeypatch, "uncertain_crops", "class_token_contrast")
    task, batch = make(temperature=0.7), batch_of(drawn)
    batch["tags"] = torch.ones(4, 3)
    terms, _ = task.training_loss(batch)
    pictures, regions = calls.given["uncertain_crops"]
    assert torch.equal(pictures, batch["recolored"])
    assert calls.options["uncertain_crops"] == {"count": 2, "size": 16}
    assert (regions[:, :, :32] == 2).all()
    assert (regions[:, 20:, 48:] == 0).all()
    student, teacher, positive = calls.given["class_token_contrast"]
    assert calls.options["class_token_contrast"] == {"temperature": 0.7}
    crops, crops_positive = calls.result["uncertain_crops"]
    views = [batch["image"], batch["other_view"], crops]
    token = torch.cat([task.net.tokens(view).class_token for view in views])
    torch.testing.assert_close(student, task.student(token))
    torch.testing.assert_close(teacher, task.teacher(token[:8]))
    assert not teacher.requires_grad
    assert positive[:, :2].all()
    assert torch.equal(positive[:, 2:], crops_positive)
    torch.testing.assert_close(terms["class_contrast"], 0.5 * calls.result["class_token_contrast"])


@pytest.mark.usefixtures("known_maps")
@pytest.mark.parametrize(("contrast_start", "maps"), [(0, MAIN), (9999, AUX)])
def test_labels_are_refined_from_the_maps_and_until_the_contrasts_from_the_auxiliary_ones(
    contrast_start: int, maps: Tensor, monkeypatch: pytest.MonkeyPatch, drawn: Path
) -> None:
    calls = Calls(monkeypatch, "refined_label", "balanced_cross_entropy", "partial_cross_entropy")
    task = make(
        cam_seg_weight=0.3, cam_seg_start=0, contrast_start=contrast_start, low=0.2, high=0.6
    )
    batch = batch_of(drawn)
    terms, logits = task.training_loss(batch)
    image, cam, tags = calls.given["refined_label"]
    assert cam is maps
    assert torch.equal(image, batch["image"])
    assert torch.equal(tags, batch["tags"])
    assert [calls.options["refined_label"][name] for name in ("low", "high")] == [0.2, 0.6]
    assert calls.options["refined_label"]["valid"] is batch["valid"]
    learned, label = calls.given["balanced_cross_entropy"]
    assert learned is logits
    assert torch.equal(label, calls.result["refined_label"])
    torch.testing.assert_close(terms["cam_seg_ce"], 0.3 * calls.result["balanced_cross_entropy"])
    torch.testing.assert_close(terms["scribble_ce"], 0.1 * calls.result["partial_cross_entropy"])


def test_both_classifiers_learn_the_tags(drawn: Path) -> None:
    task, batch = make(), batch_of(drawn)
    terms, _ = task.training_loss(batch)
    logits = task.net.classify(task.net.tokens(batch["image"]))
    for term, values in zip(("classification", "aux_classification"), logits, strict=True):
        present = batch["tags"][:, 1:]
        surprise = -(present * logsigmoid(values) + (1 - present) * logsigmoid(-values)).mean()
        torch.testing.assert_close(terms[term], surprise)


def test_every_weight_has_a_gradient_in_every_step(drawn: Path) -> None:
    """Several processes wait for it."""
    task, batch = make(scribble_weight=0.0, contrast_start=9999), batch_of(drawn)
    torch.stack(list(task.training_loss(batch)[0].values())).sum().backward()
    without = [name for name, p in task.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_the_teacher_follows_the_student_and_learns_nothing_itself(drawn: Path) -> None:
    task, batch = make(teacher_momentum=0.5), batch_of(drawn)
    for name, value in task.student.named_parameters():
        value.data += torch.randn_like(value)
        assert not dict(task.teacher.named_parameters())[name].requires_grad
    seen = []
    task.teacher.register_forward_pre_hook(
        lambda module, _: seen.append([p.clone() for p in module.parameters()])
    )
    before = {name: value.clone() for name, value in task.teacher.named_parameters()}
    terms, _ = task.training_loss(batch)
    terms["class_contrast"].backward()
    student = dict(task.student.named_parameters())
    for (name, value), used in zip(task.teacher.named_parameters(), seen[0], strict=True):
        torch.testing.assert_close(value, (before[name] + student[name]) / 2)
        assert torch.equal(used, value)  # it follows before it is asked
        assert value.grad is None
    assert all(value.grad is not None for value in task.student.parameters())


def test_the_teacher_follows_before_tokens_are_contrasted(drawn: Path) -> None:
    task, batch = make(teacher_momentum=0.5, contrast_start=9), batch_of(drawn)
    before = [value.clone() for value in task.teacher.parameters()]
    with torch.no_grad():
        for value in task.student.parameters():
            value.add_(1.0)
    task.training_loss(batch)
    for value, old in zip(task.teacher.parameters(), before, strict=True):
        torch.testing.assert_close(value, old + 0.5)


def test_tags_alone_are_enough(drawn: Path) -> None:
    task, batch = make(scribble_weight=0.0), batch_of(drawn)
    with_strokes, _ = task.training_loss(batch)
    torch.manual_seed(0)
    again = make(scribble_weight=0.0)
    del batch["scribble"]
    torch.manual_seed(1)
    without, _ = again.training_loss(batch)
    for name in CLASSIFICATION:
        torch.testing.assert_close(with_strokes[name], without[name])


def test_crops_show_what_lies_around_uncertain_pixels() -> None:
    torch.manual_seed(0)
    place = torch.arange(32 * 40).view(1, 1, 32, 40).expand(2, 1, 32, 40).float()
    regions = torch.zeros(2, 32, 40, dtype=torch.uint8)
    regions[:, :, 20:] = 2  # a certain object at the right
    regions[1, :, :20] = 1
    crops, positive = uncertain_crops(place, regions, count=5, size=8)
    assert crops.shape == (10, 1, 8, 8)
    of_image, _ = uncertain_crops(
        torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 32, 40), regions, count=5, size=8
    )
    assert of_image[:, 0, 0, 0].tolist() == [0, 1] * 5  # crop by crop
    columns = crops % 40
    # Centres lie outside the object, so that half of a crop at most reaches into it.
    assert columns.max() <= 19 + 4
    assert positive.shape == (2, 5)
    assert positive[1].all()
    for index, crop in enumerate(crops):
        image = index % 2
        values = regions[image].flatten()[crop.flatten().long()]
        assert positive[image, index // 2] == (values.float().mean() > 0.2)


def test_crops_lie_inside_the_picture_and_are_spread_evenly() -> None:
    torch.manual_seed(0)
    place = torch.arange(20.0).view(1, 1, 1, 20).expand(1, 1, 12, 20)
    crops, _ = uncertain_crops(place, torch.ones(1, 12, 20), count=6000, size=8)
    lefts = crops[:, 0, 0, 0].long().bincount()
    assert len(lefts) == 13
    assert lefts.min() > 0.8 * 6000 / 13
    assert lefts.max() < 1.2 * 6000 / 13


def test_crops_larger_than_the_picture_are_refused() -> None:
    with pytest.raises(ConfigError, match="local_size: 16, but training pictures are 40x12 pixels"):
        uncertain_crops(torch.rand(1, 3, 12, 40), torch.ones(1, 12, 40), count=1, size=16)


def test_crops_of_a_picture_full_of_an_object_come_from_anywhere() -> None:
    regions = torch.full((1, 16, 16), 2, dtype=torch.uint8)
    crops, positive = uncertain_crops(torch.rand(1, 3, 16, 16), regions, count=3, size=16)
    assert crops.shape == (3, 3, 16, 16)
    assert positive.all()


def test_pseudo_labels_are_those_of_the_maps_and_predictions_those_of_the_decoder(
    drawn: Path,
) -> None:
    data = ScribbleDataModule(str(drawn), evaluation_tags="scribble", eval_batch_size=1)
    task = make().eval()
    batch = data.on_after_batch_transfer(next(iter(data.predict_dataloader())), 0)
    with torch.no_grad():
        (predicted,) = task.predict_step(batch, 0)["decisions"]
        task.wants_confidence = True
        (label,) = task.predict_step(batch, 0)["decisions"]
        task.labels_from = "decoder"
        (decoder,) = task.predict_step(batch, 0)["decisions"]
    assert predicted.confidence is None
    assert torch.equal(predicted.label, decoder.label)
    assert label.confidence is not None
    assert not torch.equal(label.label, decoder.label)
    present = set(batch["tags"][0].nonzero()[:, 0].tolist())
    assert set(label.label.unique().tolist()) <= present | {0}


def test_maps_of_images_without_tags_are_refused() -> None:
    with pytest.raises(ConfigError, match="--tags: none, but activation maps need"):
        make().check_tags("none", ["a", "b"])
    with pytest.raises(DataError, match="nothing tells those of a, b; draw strokes, name them in"):
        make().check_tags("scribble", ["a", "b"])
    make().check_tags("scribble", [])
    make(labels_from="decoder").check_tags("none", ["a", "b"])


def test_other_settings_of_labels_are_other_settings() -> None:
    plain, other = make(), make(cam_labels=CamLabels(background_score=(0.4,)))
    assert plain.label_settings() != other.label_settings()
    assert plain.label_settings() != make(labels_from="decoder").label_settings()


@pytest.mark.parametrize(
    ("brings", "options", "message"),
    [
        ({"scribble"}, {}, "wrap data.transforms in scribbleseg.data.views.Views"),
        ({"tags", "views"}, {}, "no training image brings a scribble"),
        ({"pseudo_label", "scribble", "views"}, {}, "uses .* only"),
    ],
)
def test_data_that_a_term_lacks_are_refused(
    brings: set[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**options).check_supervision(frozenset(brings))
    make(scribble_weight=0.0).check_supervision(frozenset({"tags", "views"}))
    make(class_contrast_weight=0.0).check_supervision(frozenset({"scribble"}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scribble_weight": -1.0}, "expected 0 or more"),
        ({"low": 0.8, "high": 0.7}, "expected 0 <= low <= high <= 1"),
        ({"local_size": 20}, "a multiple of the patch size, 8"),
        ({"local_crops": 0}, "0 local crops"),
        ({"network": PlainUNet}, "ToCo takes scribbleseg.networks.ToCoViT"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ToCo(**{"network": NETWORK, "class_names": ["a", "b", "c"], **SMALL, **options})


def test_padding_is_no_label(drawn: Path) -> None:
    task, batch = at_step(make(cam_seg_weight=1.0, cam_seg_start=0), 0), batch_of(drawn)
    batch["valid"] = torch.zeros_like(batch["valid"])
    batch["scribble"] = torch.full_like(batch["scribble"], 255)
    terms, _ = task.training_loss(batch)
    for name in ("patch_contrast", "cam_seg_ce", "scribble_ce"):
        value: Tensor = terms[name]
        assert value.item() == 0
