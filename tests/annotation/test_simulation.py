import subprocess
import sys
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from scribbleseg.annotation import read_label
from scribbleseg.annotation.simulation import simulate, simulate_instances
from scribbleseg.annotation.simulation_settings import Simulation, Style
from scribbleseg.data.layouts.shapes import draw_sample
from scribbleseg.errors import DataError

STYLES = get_args(Style)
RANDOM = ("random", "boundary", "mixed")


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """Background, five objects of four classes, one with a hole, a void rim around one."""
    mask = np.zeros((180, 240), np.uint8)
    cv2.ellipse(mask, (120, 90), (110, 60), 10, 0, 360, 1, -1)
    cv2.circle(mask, (120, 90), 25, 0, -1)
    cv2.rectangle(mask, (0, 130), (50, 179), 2, -1)
    cv2.rectangle(mask, (200, 10), (230, 24), 2, -1)
    cv2.circle(mask, (70, 75), 14, 255, -1)
    cv2.circle(mask, (70, 75), 12, 3, -1)
    mask[3:6, 3:6] = 4
    return mask


masks = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
    elements=st.sampled_from([0, 1, 2, 255]),
)
simulations = st.builds(
    Simulation,
    style=st.sampled_from(STYLES),
    width=st.integers(1, 6),
    length=st.sampled_from([0.0, 0.3, 1.0]),
    drop=st.sampled_from([0.0, 0.5, 1.0]),
    smooth=st.sampled_from([0.0, 2.0]),
    jitter=st.sampled_from([0.0, 4.0]),
    min_area=st.sampled_from([0, 20]),
    background=st.sampled_from(["skeleton", "contour"]),
    per=st.sampled_from(["instance", "class"]),
)


@settings(max_examples=80, deadline=None)
@given(masks, simulations)
def test_strokes_have_the_class_of_the_mask_and_every_class_has_one(
    mask: np.ndarray, simulation: Simulation
) -> None:
    before = mask.copy()
    with warnings.catch_warnings():
        if (mask == 255).all():
            warnings.simplefilter("ignore")
        scribble = simulate(mask, simulation)
    drawn = scribble != 255
    np.testing.assert_array_equal(scribble[drawn], mask[drawn])
    assert set(np.unique(scribble[drawn])) == set(np.unique(mask[mask != 255]))
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize("style", STYLES)
def test_every_object_gets_a_stroke(style: Style, scene: np.ndarray) -> None:
    scribble = simulate(scene, Simulation(style))
    for index in range(5):
        objects, count = ndimage.label(scene == index, np.ones((3, 3)))
        assert set(np.unique(objects[scribble == index])) == set(range(1, count + 1))


@pytest.mark.parametrize("style", ["longest", "random", "boundary", "mixed", "block"])
def test_a_usual_share_of_a_picture_is_labelled(style: Style, scene: np.ndarray) -> None:
    labelled = (simulate(scene, Simulation(style)) != 255).mean()
    assert 0.005 < labelled < 0.1
    for seed in range(4):
        _, mask, _ = draw_sample(np.random.default_rng(seed))
        mask = np.kron(mask, np.ones((3, 3), np.uint8))
        labelled = (simulate(mask, Simulation(style)) != 255).mean()
        assert 0.005 < labelled < 0.1


@pytest.mark.data
@pytest.mark.parametrize("style", ["longest", "random", "boundary", "mixed", "block"])
def test_a_usual_share_of_a_real_picture_is_labelled(style: Style, data_root: Path) -> None:
    folders = ("voc_sample/VOC2012/SegmentationClassAug", "camvid/SegmentationClass")
    for folder in folders:
        for path in sorted((data_root / folder).glob("*.png"))[:2]:
            mask = read_label(path)
            scribble = simulate(mask, Simulation(style), image_id=path.stem)
            drawn = scribble != 255
            assert 0.005 < drawn.mean() < 0.1
            np.testing.assert_array_equal(scribble[drawn], mask[drawn])


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_gives_the_same_bytes(style: Style, scene: np.ndarray) -> None:
    simulation = Simulation(style, jitter=2, smooth=2, drop=0.3)
    one = simulate(scene, simulation, seed=3, variant=1, image_id="a")
    two = simulate(scene, simulation, seed=3, variant=1, image_id="a")
    assert one.tobytes() == two.tobytes()


def test_another_process_gives_the_same_bytes(scene: np.ndarray) -> None:
    program = (
        "import numpy as np, sys, zlib\n"
        "from scribbleseg.annotation.simulation import simulate\n"
        "from scribbleseg.annotation.simulation_settings import Simulation\n"
        "mask = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(180, 240)\n"
        "scribble = simulate(mask, Simulation('random', drop=0.5), image_id='a')\n"
        "print(zlib.crc32(scribble.tobytes()), 'torch' in sys.modules)\n"
    )
    there = subprocess.run(
        [sys.executable, "-c", program], input=scene.tobytes(), capture_output=True, check=True
    )
    here = simulate(scene, Simulation("random", drop=0.5), image_id="a")
    assert there.stdout.decode().split() == [str(zlib.crc32(here.tobytes())), "False"]


@pytest.mark.parametrize("style", RANDOM)
def test_seed_variant_and_image_change_random_styles(style: Style, scene: np.ndarray) -> None:
    keys: list[dict[str, Any]] = [
        {},
        {"seed": 1},
        {"variant": 1},
        {"variant": 2},
        {"image_id": "b"},
    ]
    assert len({simulate(scene, Simulation(style), **key).tobytes() for key in keys}) == len(keys)


@pytest.mark.parametrize("style", ["longest", "point", "block"])
def test_variants_of_other_styles_differ_by_jitter(style: Style, scene: np.ndarray) -> None:
    for jitter, count in ((0, 1), (3, 2)):
        simulation = Simulation(style, jitter=jitter)
        found = {simulate(scene, simulation, variant=variant).tobytes() for variant in (0, 1)}
        assert len(found) == count


@pytest.mark.parametrize("style", STYLES)
def test_a_stroke_does_not_depend_on_other_objects(style: Style, scene: np.ndarray) -> None:
    simulation = Simulation(style, jitter=2)
    whole = simulate(scene, simulation)
    alone = simulate(np.where(scene == 2, 2, 255).astype(np.uint8), simulation)
    np.testing.assert_array_equal(np.where(whole == 2, 2, 255), alone)


def test_options_do_not_change_what_they_do_not_concern(scene: np.ndarray) -> None:
    """The same path, whether or not strokes are dropped, and whatever the brush."""
    whole = simulate(scene, Simulation("random"))
    dropped = simulate(scene, Simulation("random", drop=0.6))
    left = dropped != 255
    assert 0 < left.sum() < (whole != 255).sum()
    np.testing.assert_array_equal(dropped[left], whole[left])
    thick = simulate(scene, Simulation("random", width=7))
    thin = simulate(scene, Simulation("random", width=1))
    np.testing.assert_array_equal(thick[thin != 255], thin[thin != 255])


def test_drop_leaves_a_stroke_of_every_class() -> None:
    mask = np.full((40, 400), 255, np.uint8)
    for number in range(40):
        mask[5:35, 10 * number + 1 : 10 * number + 8] = 1 + (number > 30)
    counts = []
    for variant in range(20):
        scribble = simulate(mask, Simulation("point", drop=0.5), variant=variant)
        assert set(np.unique(scribble)) == {1, 2, 255}
        counts.append(ndimage.label(scribble != 255)[1])
    assert np.mean(counts) == pytest.approx(20, abs=1.5)
    nearly_all = simulate(mask, Simulation("longest", drop=1.0))
    assert ndimage.label(nearly_all != 255)[1] == 2


def test_length_keeps_the_middle() -> None:
    mask = np.full((11, 121), 255, np.uint8)
    mask[5, 10:111] = 1
    for length, pixels in ((1.0, 101), (0.5, 51), (0.0, 1)):
        drawn = np.flatnonzero(simulate(mask, Simulation(width=1, length=length))[5] == 1)
        assert len(drawn) == pixels
        assert drawn.mean() == 60


def test_longest_of_an_l_has_the_length_of_its_arms() -> None:
    mask = np.full((130, 130), 255, np.uint8)
    mask[10:110, 10:21] = 1
    mask[99:110, 10:120] = 1
    drawn = simulate(mask, Simulation(width=1)) == 1
    assert drawn.sum() == pytest.approx(90 + 100, abs=14)
    assert drawn[10:20].any()
    assert drawn[:, 110:].any()


def test_width_is_that_of_the_brush() -> None:
    mask = np.zeros((60, 200), np.uint8)
    for width in (1, 2, 3, 8):
        drawn = simulate(mask, Simulation("longest", width=width)) == 0
        assert set(drawn[:, 60:140].sum(axis=0)) == {width}
        dot = simulate(mask, Simulation("point", width=width)) == 0
        assert dot.any(axis=0).sum() == dot.any(axis=1).sum() == width


def test_small_objects_get_a_dot() -> None:
    mask = np.full((20, 60), 255, np.uint8)
    mask[5:8, 5:45] = 1
    assert (simulate(mask, Simulation(min_area=121)) == 1).sum() < 10
    assert (simulate(mask, Simulation(min_area=120)) == 1).sum() > 90


def test_mixed_draws_the_boundary_of_large_objects_as_often_as_their_share() -> None:
    """A disc that takes a third of the picture; only its boundary misses the middle."""
    mask = np.full((40, 40), 255, np.uint8)
    cv2.circle(mask, (20, 20), 13, 1, -1)
    share = float((mask == 1).mean())
    drawn = [simulate(mask, Simulation("mixed"), variant=variant) for variant in range(200)]
    boundaries = sum((one[16:25, 16:25] == 255).all() for one in drawn)
    assert boundaries / 200 == pytest.approx(share, abs=0.1)
    small = np.pad(mask, 40, constant_values=255)
    for variant in range(50):
        assert (simulate(small, Simulation("mixed"), variant=variant)[56:65, 56:65] == 1).any()


def test_mixed_draws_no_boundary_of_an_instance_in_pieces() -> None:
    whole = cv2.circle(np.zeros((40, 40), np.uint8), (20, 20), 18, 1, -1)
    halves = whole.copy()
    halves[:, 26:28] = 0
    draw = {
        name: [
            simulate_instances(mask[None] > 0, [1], Simulation("mixed"), variant=variant)
            for variant in range(40)
        ]
        for name, mask in (("whole", whole), ("halves", halves))
    }
    empty = {
        name: sum((one[16:25, 10:22] != 1).all() for one in found) for name, found in draw.items()
    }
    assert empty["whole"] > 10
    assert empty["halves"] == 0


def test_background_options(scene: np.ndarray) -> None:
    mask = np.zeros((100, 120), np.uint8)
    mask[40:60, 50:70] = 1
    assert (simulate(mask, Simulation(background="none")) != 0).all()
    loop = simulate(mask, Simulation(background="contour", width=3)) == 0
    inside, count = ndimage.label(~loop)
    assert count == 2
    assert inside[50, 60] != inside[0, 0]
    distance = cv2.distanceTransform((mask == 0).astype(np.uint8), cv2.DIST_L2, 5)[loop]
    assert distance.min() > 2.5
    assert distance.max() < 7
    whole = simulate(mask, Simulation("boundary"))
    np.testing.assert_array_equal(whole == 0, simulate(mask, Simulation("random")) == 0)


def test_one_stroke_for_a_class_lies_in_its_largest_region(scene: np.ndarray) -> None:
    scribble = simulate(scene, Simulation("random", per="class"))
    for index in range(5):
        objects, _ = ndimage.label(scene == index, np.ones((3, 3)))
        largest = np.bincount(objects.ravel())[1:].argmax() + 1
        assert set(np.unique(objects[scribble == index])) == {largest}


def test_jitter_moves_and_smoothing_rounds_within_the_object(scene: np.ndarray) -> None:
    plain = simulate(scene, Simulation("longest"))
    for change in ({"jitter": 4.0}, {"smooth": 4.0}):
        changed = simulate(scene, replace(Simulation("longest"), **change))
        assert (changed != plain).any()
        drawn = changed != 255
        np.testing.assert_array_equal(changed[drawn], scene[drawn])


def test_noise_lets_strokes_leave_their_object_but_not_enter_void(scene: np.ndarray) -> None:
    scribble = simulate(scene, Simulation("random", noise=12.0), seed=1)
    drawn = scribble != 255
    wrong = (scribble[drawn] != scene[drawn]).mean()
    assert 0.02 < wrong < 0.6
    assert (scene[drawn] != 255).all()
    assert set(np.unique(scribble[drawn])) == {0, 1, 2, 3, 4}


def test_background_only() -> None:
    scribble = simulate(np.zeros((80, 90), np.uint8))
    assert set(np.unique(scribble)) == {0, 255}
    contour = simulate(np.zeros((80, 90), np.uint8), Simulation(background="contour"))
    assert (contour == 0).any()


@pytest.mark.parametrize("value", [255, 0])
def test_a_mask_without_objects_warns(value: int) -> None:
    with pytest.warns(UserWarning, match="a/b: no object"):
        scribble = simulate(
            np.full((9, 8), value, np.uint8), Simulation(background="none"), image_id="a/b"
        )
    assert (scribble == 255).all()
    assert scribble.dtype == np.uint8


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("shape", ["ring", "pixel", "corner", "comb", "full", "diagonal"])
def test_odd_shapes(style: Style, shape: str) -> None:
    mask = np.zeros((50, 60), np.uint8)
    if shape == "ring":
        cv2.circle(mask, (30, 25), 20, 1, 5)
    elif shape == "pixel":
        mask[20, 20] = 1
    elif shape == "corner":
        mask[:20, :30] = 1
    elif shape == "comb":
        mask[40:45, 5:55] = 1
        mask[10:40, 5:55:6] = 1
    elif shape == "full":
        mask[:] = 1
    else:
        np.fill_diagonal(mask, 1)
    for simulation in (Simulation(style), Simulation(style, width=1, min_area=0, jitter=5)):
        scribble = simulate(mask, simulation)
        drawn = scribble != 255
        np.testing.assert_array_equal(scribble[drawn], mask[drawn])
        assert (scribble == 1).any()


def test_sixteen_bit_masks() -> None:
    mask = np.full((60, 80), 65535, np.uint16)
    mask[5:30, 5:70] = 255
    mask[35:55, 5:70] = 3000
    for style in STYLES:
        scribble = simulate(mask, Simulation(style), ignore_index=65535)
        assert scribble.dtype == np.uint16
        assert np.unique(scribble).tolist() == [255, 3000, 65535]
    eight_bit = simulate(np.where(mask == 3000, 3, 255).astype(np.uint8))
    sixteen = simulate(np.where(mask == 3000, 3, 65535).astype(np.uint16), ignore_index=65535)
    np.testing.assert_array_equal(eight_bit == 3, sixteen == 3)


def test_touching_instances_of_a_class_get_a_stroke_each() -> None:
    instances = np.zeros((2, 60, 80), bool)
    instances[0, 10:50, 10:40] = True
    instances[1, 10:50, 40:70] = True
    scribble = simulate_instances(instances, [5, 5], Simulation("point"))
    assert [(scribble[one] == 5).any() for one in instances] == [True, True]
    assert (scribble[~instances.any(axis=0)] == 0).any()
    merged = simulate_instances(instances, [5, 5], Simulation("point", per="class"))
    assert ndimage.label(merged == 5)[1] == 1


def test_covered_parts_of_an_instance_are_not_drawn() -> None:
    instances = np.zeros((2, 60, 80), bool)
    instances[0, 10:50, 10:70] = True
    instances[1, :, 30:50] = True
    void = np.zeros((60, 80), bool)
    void[:15] = True
    scribble = simulate_instances(instances, [1, 2], Simulation("random"), void=void)
    top = np.where(instances[1], 2, np.where(instances[0], 1, 0))
    drawn = scribble != 255
    np.testing.assert_array_equal(scribble[drawn], top[drawn])
    assert not drawn[void].any()
    assert set(np.unique(scribble)) == {0, 1, 2, 255}


def test_instances_of_many_classes_are_sixteen_bit() -> None:
    instances = np.ones((1, 30, 30), bool)
    scribble = simulate_instances(instances, [300], ignore_index=65535)
    assert scribble.dtype == np.uint16
    assert np.unique(scribble).tolist() == [300, 65535]


@pytest.mark.parametrize(
    ("instances", "class_ids", "message"),
    [
        (np.zeros((2, 4, 4), np.uint8), [1, 2], "uint8, and 2 classes"),
        (np.zeros((2, 4, 4), bool), [1], "1 classes; expected"),
        (np.zeros((1, 4, 4), bool), [255], "255 is no class"),
        (np.zeros((1, 4, 4), bool), [300], "300 is no class"),
    ],
)
def test_instances_that_do_not_fit_are_refused(
    instances: np.ndarray, class_ids: list[int], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        simulate_instances(instances, class_ids)
