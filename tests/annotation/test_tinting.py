import numpy as np

from scribbleseg.annotation import overlay

PALETTE = [(0, 0, 0), (250, 0, 0)]


def test_background_and_unlabelled_pixels_stay() -> None:
    image = np.random.default_rng(0).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    label = np.array([[0, 255, 1, 0, 0]] * 4, np.uint8)
    before = image.copy()
    tinted = overlay(image, label, PALETTE, opacity=1.0)
    np.testing.assert_array_equal(tinted[:, [0, 1, 3, 4]], image[:, [0, 1, 3, 4]])
    assert (tinted[:, 2] == (250, 0, 0)).all()
    np.testing.assert_array_equal(image, before)
