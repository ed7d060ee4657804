from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scribbleseg.annotation.formats import Classes, Options
from scribbleseg.annotation.label_values import label_of_values, meaning_of_names
from scribbleseg.errors import DataError


@settings(max_examples=60, deadline=None)
@given(
    values=hnp.arrays(np.uint8, (3, 5), elements=st.integers(0, 3)),
    dtype=st.sampled_from([np.uint8, np.int16, np.uint32, np.int64, np.float32]),
)
def test_every_type_of_number_gives_the_same_label(values: np.ndarray, dtype: Any) -> None:
    before = values.astype(dtype)
    label = label_of_values("a", before, {0: 255, 1: 0, 2: 1, 3: 2}, 3)
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, np.array([255, 0, 1, 2])[values])
    np.testing.assert_array_equal(before, values)


def test_more_than_255_classes_give_16_bits() -> None:
    values = np.array([[0, 299, 65535]], np.uint16)
    meaning = {value: value for value in range(300)} | {65535: 65535}
    label = label_of_values("a", values, meaning, 300)
    assert (label.dtype, label.tolist()) == (np.uint16, [[0, 299, 65535]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.array([[7, 7, 1]], np.uint8),
            r"value 7 on 2 pixels; known values are 0\.\.2, 5",
        ),
        (np.array([[-3, 1]], np.int8), "value -3 on 1 pixels"),
        (np.array([[2**40, 1]], np.uint64), "value 1099511627776 on 1 pixels"),
        (np.array([[1, 0.5]]), r"value 0\.5 in row 0, column 1; labels are whole numbers"),
        (np.array([[1], [np.nan]]), "value nan in row 1, column 0"),
        (np.array([[1e30]]), "on 1 pixels"),
        (np.array([[1j]]), "pixels of type complex128"),
    ],
)
def test_a_value_without_meaning_is_counted(values: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        label_of_values("a.nii", values, {0: 0, 1: 1, 2: 2, 5: 255}, 3)


def test_one_bit_values() -> None:
    label = label_of_values("a", np.array([[True, False]]), {0: 255, 1: 0}, 1)
    assert label.tolist() == [[0, 255]]


def test_names_decide_what_values_mean() -> None:
    classes = Classes(("background", "cat", "dog"), ((0, 0, 0),) * 3)
    names = {1: "dog", 2: " background ", 3: "sky"}
    with pytest.raises(DataError, match="p: label 3: class 'sky' is unknown"):
        meaning_of_names("p", names, Options(classes))
    meaning, remarks = meaning_of_names("p", names, Options(classes, unknown="skip"))
    assert meaning == {1: 2, 2: 0, 3: 255}
    assert remarks == ("label 'sky' left out: it is not one of the classes",)
