import json

import numpy as np

from scribbleseg.evaluation.undefined import mean_of_defined, ratio, shown, without_nan


def test_means_leave_out_what_is_undefined() -> None:
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [2.0, np.nan]])
    np.testing.assert_array_equal(mean_of_defined(values), [1.5, np.nan])
    assert mean_of_defined(np.array([1.0, 2.0, np.nan])) == 1.5
    assert np.isnan(mean_of_defined(np.array([])))


def test_nothing_of_nothing_is_undefined() -> None:
    quotient = ratio(np.array([[0, 2]]), np.array([[0, 8]]))
    np.testing.assert_array_equal(quotient, [[np.nan, 0.25]])
    assert [shown(value) for value in quotient[0]] == ["-", "0.250"]


def test_json_has_null() -> None:
    value = {"a": (np.int64(3), float("nan")), "b": np.array([[np.nan], [1.5]]), "c": {"d": True}}
    plain = without_nan(value)
    assert json.dumps(plain, allow_nan=False) == (
        '{"a": [3, null], "b": [[null], [1.5]], "c": {"d": true}}'
    )
