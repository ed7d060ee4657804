import multiprocessing
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.golden_cases import Case, golden

from scribbleseg.errors import ConfigError, DataError
from scribbleseg.inference.dense_crf import CRF_PRESETS, DenseCrf, dense_crf, exact_dense_crf

TOCO = CRF_PRESETS["toco"]


def draw(
    height: int, width: int, classes: int, *, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Noisy probabilities of uneven regions, and their picture."""
    rng = np.random.default_rng(seed)
    centers = rng.random((classes, 2)) * (height, width)
    y, x = np.mgrid[:height, :width]
    label = np.argmin([(y - a) ** 2 + (x - b) ** 2 for a, b in centers], axis=0)
    colors = rng.integers(30, 225, (classes, 3))[label]
    image = np.clip(colors + rng.normal(size=(height, width, 3)) * 5, 0, 255).astype(np.uint8)
    logits = rng.normal(size=(classes, height, width))
    logits += 1.5 * (np.arange(classes)[:, None, None] == label)
    power = np.exp(logits)
    return (power / power.sum(axis=0)).astype(np.float32), image


def settings_of(case: Case) -> DenseCrf:
    """Kernels of a golden case; a file holds them once for all of its cases, or for each."""
    file = Case(case.path)
    names = ("gaussian_sxy", "gaussian_compat", "bilateral_sxy", "bilateral_srgb")
    if "params" in case:
        values = case["params"]
    else:
        values = [file[f"param/{name}"] for name in (*names, "bilateral_compat")]
    return DenseCrf(1, *(float(value) for value in values))


def inputs_of(case: Case) -> tuple[NDArray[np.float32], NDArray[np.uint8], int]:
    inputs = case if "prob" in case else Case(case.path)
    image = inputs["image_chw"].transpose(1, 2, 0)
    return inputs["prob"].astype(np.float32), image, inputs["n_iters"]


def margin(prob: NDArray[Any]) -> NDArray[Any]:
    """Distance of the largest probability from the next."""
    second, first = np.sort(prob, axis=0)[-2:]
    return first - second


def differing(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    return a.argmax(axis=0) != b.argmax(axis=0)


@golden("blpseg", "crf", holding="out")
def test_matches_pydensecrf(case: Case) -> None:
    """The lattice has the same cells: nearer than the 0.05 that any other one would have to be."""
    prob, image, iterations = inputs_of(case)
    ours = dense_crf(prob, image, replace(settings_of(case), iterations=iterations))
    np.testing.assert_allclose(ours, case["out"], rtol=0, atol=1e-3)
    assert not differing(ours, case["out"])[margin(case["out"]) > 1e-3].any()
    np.testing.assert_array_equal(case["out"].argmax(axis=0), case["argmax"])


@golden("blpseg", "crf_large", holding="crop_out")
def test_matches_pydensecrf_and_the_exact_solution_on_a_crop(case: Case) -> None:
    prob, image, iterations = inputs_of(case)
    crf = settings_of(case)
    y0, y1, x0, x1 = Case(case.path)["crop_box"]
    crop = prob[:, y0:y1, x0:x1], image[y0:y1, x0:x1]
    if "out_1" in case:
        np.testing.assert_allclose(dense_crf(prob, image, crf), case["out_1"], rtol=0, atol=1e-3)

    once = dense_crf(*crop, crf)
    often = dense_crf(*crop, replace(crf, iterations=iterations))
    np.testing.assert_allclose(once, case["crop_out_1"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(often, case["crop_out"], rtol=0, atol=1e-3)

    exact = exact_dense_crf(*crop, crf)
    np.testing.assert_allclose(exact, case["crop_exact_1"], rtol=0, atol=1e-5)
    exact_often = exact_dense_crf(*crop, replace(crf, iterations=iterations))
    np.testing.assert_allclose(exact_often, case["crop_exact"], rtol=0, atol=1e-5)

    # How far two correct implementations may differ; typical mistakes give twice this mean.
    assert np.abs(once - exact).max() <= 0.1
    assert np.abs(once - exact).mean() <= 6e-4
    assert not differing(once, exact)[margin(exact) > 0.1].any()
    assert np.abs(often - exact_often).mean() <= 3e-4
    assert differing(often, exact_often).mean() <= 0.003


@pytest.mark.parametrize("preset", CRF_PRESETS)
def test_is_near_the_exact_solution(preset: str) -> None:
    prob, image = draw(27, 36, 4)
    crf = replace(CRF_PRESETS[preset], iterations=1)
    ours, exact = dense_crf(prob, image, crf), exact_dense_crf(prob, image, crf)
    assert np.abs(ours - exact).mean() < 0.006
    assert differing(ours, exact).mean() < 0.01
    assert np.abs(prob - exact).mean() > 0.1  # there was something to do
    np.testing.assert_allclose(ours.sum(axis=0), 1, atol=1e-6)


def test_hand_value_of_one_pixel() -> None:
    # one pixel is joined with itself alone, by 3 + 10: (0.5 e^(13 * 0.5), 0.3 e^(13 * 0.3), ...)
    q = np.array([0.5, 0.3, 0.2])
    expected = q * np.exp(13 * q)
    once = replace(TOCO, iterations=1)
    for image in (np.zeros((1, 1, 3), np.uint8), np.full((1, 1), 255, np.uint8)):
        ours = dense_crf(q[:, None, None], image, once)
        np.testing.assert_allclose(ours.ravel(), expected / expected.sum(), rtol=1e-5)


def test_absent_classes_are_computed_once_and_come_out_as_if_each_were() -> None:
    present, image = draw(20, 30, 3)
    prob = np.zeros((9, 20, 30), np.float32)
    order = [6, 0, 4]
    prob[order] = present
    merged = dense_crf(prob, image, TOCO)

    barely = prob.copy()
    barely[:, 0, 0] = np.maximum(barely[:, 0, 0], np.nextafter(np.float32(1e-5), np.float32(1)))
    np.testing.assert_allclose(merged, dense_crf(barely, image, TOCO), rtol=0, atol=2e-6)
    np.testing.assert_allclose(merged.sum(axis=0), 1, atol=1e-6)
    absent = np.setdiff1d(np.arange(9), order)
    np.testing.assert_array_equal(merged[absent], np.broadcast_to(merged[1], (6, 20, 30)))
    assert 0 < merged[1].max() < 1e-3
    exact = exact_dense_crf(prob, image, replace(TOCO, iterations=1))
    ours = dense_crf(prob, image, replace(TOCO, iterations=1))
    assert np.abs(ours - exact).mean() < 0.003


def test_no_class_at_all() -> None:
    image = draw(4, 5, 2)[1]
    for prob in (np.zeros((3, 4, 5)), np.full((3, 4, 5), 1e-7)):
        np.testing.assert_allclose(dense_crf(prob, image, TOCO), 1 / 3, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 10))
def test_permuting_classes_permutes_the_result(seed: int, classes: int) -> None:
    prob, image = draw(9, 14, classes, seed=seed)
    prob[: classes // 3] = 0
    order = np.random.default_rng(seed).permutation(classes)
    crf = replace(TOCO, iterations=2)
    expected = dense_crf(prob, image, crf)[order]
    np.testing.assert_allclose(dense_crf(prob[order], image, crf), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("classes", [1, 2, 4, 5, 33])
def test_any_number_of_classes(classes: int) -> None:
    prob, image = draw(12, 17, classes)
    once = replace(TOCO, iterations=1)
    ours = dense_crf(prob, image, once)
    assert ours.dtype == np.float32
    assert np.abs(ours - exact_dense_crf(prob, image, once)).mean() < 0.01
    np.testing.assert_allclose(ours.sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_any_size(size: tuple[int, int]) -> None:
    prob, image = draw(*size, 3)
    once = replace(TOCO, iterations=1)
    ours, exact = dense_crf(prob, image, once), exact_dense_crf(prob, image, once)
    np.testing.assert_allclose(ours, exact, rtol=0, atol=0.1)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_of_one_colour_is_smoothed_by_position_alone(level: int) -> None:
    prob, _ = draw(25, 30, 3)
    image = np.full((25, 30, 3), level, np.uint8)
    crf = replace(TOCO, iterations=1, bilateral_xy=4.0)
    by_position = replace(crf, gaussian_xy=4.0, gaussian_weight=10.0, bilateral_weight=0.0)
    ours = dense_crf(prob, image, replace(crf, gaussian_weight=0.0))
    exact = exact_dense_crf(prob, image, by_position)
    assert np.abs(ours - exact).mean() < 0.02


def test_grey_pictures() -> None:
    prob, image = draw(25, 30, 3)
    grey = image[..., 0]
    once = replace(TOCO, iterations=1)
    ours, exact = dense_crf(prob, grey, once), exact_dense_crf(prob, grey, once)
    assert np.abs(ours - exact).mean() < 0.01
    # three equal colours are three axes: not the same
    assert np.abs(ours - dense_crf(prob, np.stack([grey] * 3, axis=-1), once)).max() > 0.01


def test_kernels_of_weight_0_take_no_part() -> None:
    prob, image = draw(20, 25, 3)
    once = replace(TOCO, iterations=1)
    for crf in (replace(once, gaussian_weight=0.0), replace(once, bilateral_weight=0.0)):
        ours, exact = dense_crf(prob, image, crf), exact_dense_crf(prob, image, crf)
        assert np.abs(ours - exact).mean() < 0.01
    none = replace(TOCO, gaussian_weight=0.0, bilateral_weight=0.0)
    np.testing.assert_allclose(dense_crf(prob, image, none), prob, rtol=1e-5)


def test_large_weights_do_not_overflow() -> None:
    prob, image = draw(12, 15, 3)
    crf = replace(TOCO, gaussian_weight=1e4, bilateral_weight=1e4)
    ours = dense_crf(prob, image, crf)
    np.testing.assert_allclose(ours.sum(axis=0), 1, atol=1e-6)


def test_many_colours_outgrow_the_first_hash_table() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (90, 110, 3), dtype=np.uint8)
    prob = rng.random((2, 90, 110))
    prob /= prob.sum(axis=0)
    crf = DenseCrf(1, gaussian_weight=0.0, bilateral_rgb=2.0)  # no two pixels have a like colour
    expected = prob * np.exp(10 * prob)
    expected /= expected.sum(axis=0)
    assert np.abs(dense_crf(prob, image, crf) - expected).mean() < 0.02


def test_inputs_are_read_only_views_of_any_layout() -> None:
    prob, image = draw(20, 30, 5)
    before = prob.copy(), image.copy()
    expected = dense_crf(prob, image, TOCO)
    np.testing.assert_array_equal(prob, before[0])
    np.testing.assert_array_equal(image, before[1])
    strided = np.ascontiguousarray(prob.transpose(1, 2, 0)).transpose(2, 0, 1)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)
    for array in (strided, planes):
        array.flags.writeable = False
    np.testing.assert_array_equal(dense_crf(strided, planes, TOCO), expected)
    np.testing.assert_array_equal(dense_crf(prob.astype(np.float64), image, TOCO), expected)
    flipped = dense_crf(prob[:, :, ::-1], image[:, ::-1], TOCO)
    assert differing(flipped[:, :, ::-1], expected).mean() < 0.01


def large() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Enough pixels for several strips."""
    prob, image = draw(150, 200, 6)
    return prob, cv2.GaussianBlur(image, (0, 0), 2).astype(np.uint8)


def test_the_number_of_threads_changes_nothing() -> None:
    prob, image = large()
    expected = dense_crf(prob, image, TOCO, threads=1)
    for threads in (2, 3, 16, None):
        np.testing.assert_array_equal(dense_crf(prob, image, TOCO, threads=threads), expected)


def test_python_threads_at_the_same_time() -> None:
    prob, image = large()
    expected = dense_crf(prob, image, TOCO, threads=1)
    with ThreadPoolExecutor(3) as pool:
        results = list(
            pool.map(lambda threads: dense_crf(prob, image, TOCO, threads=threads), [2, 1, 2, 3, 2])
        )
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_forked_processes() -> None:
    """As the workers of a loader, also while the parent is at work."""
    prob, image = large()
    expected = dense_crf(prob, image, TOCO, threads=2)
    with ThreadPoolExecutor(1) as busy, warnings.catch_warnings():
        # newer Pythons warn of forks beside threads; here that is the point
        warnings.simplefilter("ignore", DeprecationWarning)
        running = busy.submit(lambda: [dense_crf(prob, image, TOCO, threads=2) for _ in range(3)])
        with multiprocessing.get_context("fork").Pool(2) as pool:
            tasks = [pool.apply_async(dense_crf, (prob, image, TOCO), {"threads": 2})] * 2
            for task in tasks:
                np.testing.assert_array_equal(task.get(timeout=60), expected)
        np.testing.assert_array_equal(running.result()[-1], expected)


@pytest.mark.slow
def test_a_fresh_process_without_a_cache() -> None:
    """Numba is loaded at the first call, and needs no folder to write to."""
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from scribbleseg.inference.dense_crf import DenseCrf, dense_crf\n"
        "assert 'numba' not in sys.modules\n"
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"  # no folder qualifies
        "result = dense_crf(np.full((2, 2, 3), 0.5), np.zeros((2, 3), np.uint8), DenseCrf())\n"
        "assert (result == 0.5).all()\n"
        "from scribbleseg.inference import mean_field\n"
        "assert mean_field.update.stats.cache_path is None\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iterations": 0}, "iterations is 0; expected a whole number above 0"),
        ({"iterations": 2.5}, "iterations is 2.5"),
        ({"gaussian_xy": 0.0}, "gaussian_xy is 0.0; expected at least 0.05"),
        ({"bilateral_xy": float("inf")}, "bilateral_xy is inf"),
        ({"bilateral_rgb": float("nan")}, "bilateral_rgb is nan"),
        ({"gaussian_weight": -1.0}, "gaussian_weight is -1.0; expected a number of 0 or more"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(TOCO, **change)


def test_too_many_cells_are_refused() -> None:
    crf = DenseCrf(bilateral_xy=0.05, bilateral_rgb=0.05)
    prob = np.broadcast_to(np.float32(0.5), (2, 3000, 4000))
    image = np.broadcast_to(np.uint8(0), (3000, 4000, 3))
    with pytest.raises(ConfigError, match=r"0.05 pixels and 0.05 grey levels has more than 2\^62"):
        dense_crf(prob, image, crf)


PROB, IMAGE = np.full((2, 4, 6), 0.5, np.float32), np.zeros((4, 6, 3), np.uint8)


@pytest.mark.parametrize(
    ("prob", "image", "message"),
    [
        (PROB, IMAGE.transpose(1, 0, 2), "image is 4x6 but prob is 6x4; were width and height sw"),
        (PROB, IMAGE[:3], "image is 6x3 but prob is 6x4; resize one"),
        (PROB, IMAGE.astype(np.float32), "image is float32 of shape .* expected uint8"),
        (PROB, IMAGE.transpose(2, 0, 1), r"image is uint8 of shape \(3, 4, 6\); expected uint8"),
        (PROB[0], IMAGE, r"prob is float32 of shape \(4, 6\); expected float \(classes, h"),
        (PROB.astype(int), IMAGE, "prob is int64"),
        (PROB[:0], IMAGE, r"prob is float32 of shape \(0, 4, 6\)"),
        (4 * PROB - 3, IMAGE, "prob has values from -1 to -1; expected 0..1"),
        (PROB * 3, IMAGE, "prob has values from 1.5 to 1.5; expected 0..1"),
        (PROB * np.float32("nan"), IMAGE, "prob has values from nan to nan; expected 0..1"),
    ],
)
def test_wrong_inputs_are_refused(prob: Any, image: Any, message: str) -> None:
    for function in (dense_crf, exact_dense_crf):
        with pytest.raises(DataError, match=message):
            function(prob, image, TOCO)


def test_threads_are_at_least_one() -> None:
    with pytest.raises(ConfigError, match="threads is 0; expected 1 or more"):
        dense_crf(PROB, IMAGE, TOCO, threads=0)


def test_exact_solutions_are_small() -> None:
    with pytest.raises(DataError, match="100x50 pixels; all pairs of more than 4096"):
        exact_dense_crf(np.ones((1, 50, 100)), np.zeros((50, 100), np.uint8), TOCO)


def test_presets_are_the_published_ones() -> None:
    published = {name: astuple(crf) for name, crf in CRF_PRESETS.items()}
    assert published == {
        "toco": (10, 3.0, 3.0, 80.0, 13.0, 10.0),
        "toco_cam": (10, 3.0, 3.0, 36.0, 3.0, 4.0),
        "blpseg": (1, 3.0, 3.0, 32.0, 13.0, 10.0),
        "deeplab": (10, 1.0, 1.0, 121.0, 5.0, 4.0),
    }
