import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.sparse.csgraph import dijkstra

from scribbleseg.annotation.skeleton import SkeletonGraph, skeleton_graph

CORNER = np.sqrt(2)
"""Length of the way around a corner, which thinning cuts off."""


def thin(text: str) -> np.ndarray:
    """A picture from rows of ``#`` and ``.``."""
    return np.array([[mark == "#" for mark in row] for row in text.split()])


def all_distances(graph: SkeletonGraph) -> np.ndarray:
    """Shortest paths between all pixels, by the plain graph of pixels."""
    dense = np.zeros((len(graph.points),) * 2)
    dense[tuple(graph.steps.T)] = graph.lengths
    return np.asarray(dijkstra(dense, directed=False))


def length(graph: SkeletonGraph, path: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(graph.points[path], axis=0), axis=1).sum())


@st.composite
def blobs(draw: st.DrawFn) -> np.ndarray:
    """One connected region with holes and spurs."""
    seed, cut = draw(st.integers(0, 10_000)), draw(st.floats(-0.5, 0.5))
    noise = np.random.default_rng(seed).standard_normal((24, 31)).astype(np.float32)
    numbers, count = ndimage.label(cv2.GaussianBlur(noise, (0, 0), 1.5) * 4 > cut, np.ones((3, 3)))
    sizes = np.bincount(numbers.ravel(), minlength=2)[1:]
    region = numbers == sizes.argmax() + 1 if count else np.ones((3, 3), bool)
    return np.asarray(region)


def test_ends_and_junctions_of_a_cross() -> None:
    graph = skeleton_graph(thin("..#.. ..#.. ##### ..#.. ..#.."))
    assert len(graph.ends) == 4
    assert graph.points[graph.degree > 2].tolist() == [[2, 2]]
    assert graph.share.sum() == 8


def test_a_junction_is_one_pixel() -> None:
    graph = skeleton_graph(thin("..#.. ..#.. #####"))
    assert (graph.degree > 2).sum() == 1
    assert len(graph.steps) == len(graph.points) - 1


def test_longest_path_of_an_l_is_the_length_of_its_arms() -> None:
    graph = skeleton_graph(thin("#.... #.... #.... #####"))
    path = graph.longest_path()
    assert length(graph, path) == 2 + CORNER + 3
    assert len(path) == 7


def test_longest_path_of_a_thick_l() -> None:
    pixels = np.zeros((220, 260), bool)
    pixels[10:210, 10:25] = True
    pixels[195:210, 10:250] = True
    for cell in (1, 2, 3):
        graph = skeleton_graph(pixels, cell=cell)
        # Arms of 200 and 240 pixels, between the middles of the corner and of the ends.
        assert length(graph, graph.longest_path()) == pytest.approx(425, abs=20)


def test_longest_path_of_a_comb_goes_through_its_back() -> None:
    comb = np.zeros((12, 41), bool)
    comb[10] = True
    comb[:10, ::4] = True
    graph = skeleton_graph(comb)
    assert length(graph, graph.longest_path()) == pytest.approx(9 + CORNER + 38 + CORNER + 9)
    assert len(graph.ends) == 11


def test_longest_path_of_a_ring_is_half_of_it() -> None:
    ring = np.zeros((9, 9), bool)
    ring[0], ring[-1], ring[:, 0], ring[:, -1] = True, True, True, True
    graph = skeleton_graph(ring)
    assert len(graph.ends) == 0
    assert length(graph, graph.longest_path()) == pytest.approx(2 * (6 + CORNER))


def test_longest_path_of_a_lollipop_ends_inside_its_loop() -> None:
    graph = skeleton_graph(thin("....### #####.# ....###"))
    assert length(graph, graph.longest_path()) == 4 + 2 * CORNER


def test_a_single_pixel_is_a_path() -> None:
    graph = skeleton_graph(np.ones((1, 1), bool))
    assert graph.longest_path().tolist() == [0]
    assert graph.random_path(np.random.default_rng(0)).tolist() == [0]


def test_every_small_region_has_a_skeleton_inside_it() -> None:
    for code in range(1, 1 << 12, 3):
        pixels = np.array([code >> bit & 1 for bit in range(12)], bool).reshape(3, 4)
        columns, rows = skeleton_graph(pixels).points.astype(int).T
        assert len(rows) > 0
        assert pixels[rows, columns].all()


@settings(max_examples=40, deadline=None)
@given(blobs(), st.integers(1, 3))
def test_the_skeleton_is_connected_and_inside(pixels: np.ndarray, cell: int) -> None:
    before = pixels.copy()
    graph = skeleton_graph(pixels, cell=cell)
    np.testing.assert_array_equal(pixels, before)
    columns, rows = graph.points.astype(int).T
    assert pixels[rows, columns].all()
    assert np.isfinite(all_distances(graph)).all()


@settings(max_examples=40, deadline=None)
@given(blobs())
def test_the_longest_path_is_the_longest_of_those_that_begin_at_a_node(pixels: np.ndarray) -> None:
    graph = skeleton_graph(pixels)
    nodes = np.flatnonzero(graph.degree != 2)
    expected = all_distances(graph)
    path = graph.longest_path()
    reached = length(graph, path)
    assert reached == pytest.approx(expected[path[0], path[-1]])
    assert reached >= expected[nodes].max(initial=0) - 1e-6
    assert reached >= expected[path[[0, -1]]].max() - 1e-6
    if len(graph.steps) < len(graph.points):
        assert reached == pytest.approx(expected.max())


def test_random_paths_of_a_y_are_drawn_in_proportion_to_their_lengths() -> None:
    """Arms of 4, 8 and 16 pixels: paths of 12, 20 and 24."""
    pixels = np.zeros((17, 13), bool)
    pixels[:, 4] = True
    pixels[0, :] = True
    graph = skeleton_graph(pixels)
    rng = np.random.default_rng(0)
    counts = dict.fromkeys((12.0, 20.0, 24.0), 0)
    for _ in range(400):
        counts[length(graph, graph.random_path(rng))] += 1
    expected = {key: 400 * key / 56 for key in counts}
    chi_square = sum((counts[key] - expected[key]) ** 2 / expected[key] for key in counts)
    assert chi_square < 9.2  # 1 % of fair samples exceed this with two degrees of freedom


def test_random_paths_of_a_ring_begin_anywhere_and_are_rather_long() -> None:
    graph = skeleton_graph(~np.pad(np.ones((3, 3), bool), 1))
    between = all_distances(graph)
    expected = 1500 / len(between) * between / between.sum(axis=1, keepdims=True)
    counts = np.zeros_like(expected)
    rng = np.random.default_rng(0)
    for _ in range(1500):
        path = graph.random_path(rng)
        counts[path[0], path[-1]] += 1
    assert counts.shape == (12, 12)
    assert np.diag(counts).sum() == 0
    possible = expected > 0
    chi_square = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    assert chi_square < 171  # 1 % of fair samples exceed this with 12 * 11 - 1 degrees of freedom


def test_a_skeleton_with_many_ends_takes_neither_long_nor_much_memory() -> None:
    comb = np.zeros((6, 4001), bool)
    comb[5] = True
    comb[:5, ::4] = True
    graph = skeleton_graph(comb)
    assert len(graph.ends) == 1001
    assert length(graph, graph.longest_path()) == pytest.approx(3998 + 2 * (4 + CORNER))
    assert len(graph.random_path(np.random.default_rng(0))) > 10
