import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from tests.imported import (
    changed,
    classes_of,
    damaged,
    imported,
    read_all,
    read_or_refuse,
    save_picture,
)

from scribbleseg.annotation.formats import Options
from scribbleseg.annotation.raster import Raster
from scribbleseg.errors import DataError

THIN = Raster("opencv", 1)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

TUMOR = {"name": "Tumor", "color": [200, 0, 0]}


def feature(kind: str, coordinates: Any, name: Any = TUMOR, **properties: Any) -> dict[str, Any]:
    """As QuPath 0.5 exports it."""
    return {
        "type": "Feature",
        "id": "5e7b1f3c-8e9b-4a70-9e55-3f3ddb1a9f25",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": {
            "objectType": "annotation",
            "classification": name,
            "isLocked": True,
            "measurements": {},
            **properties,
        },
    }


SQUARE = [[3.5, 3.5], [5.5, 3.5], [5.5, 5.5], [3.5, 5.5], [3.5, 3.5]]
RING = [
    [[0.5, 0.5], [8.5, 0.5], [8.5, 8.5], [0.5, 8.5], [0.5, 0.5]],
    [[2.5, 2.5], [6.5, 2.5], [6.5, 6.5], [2.5, 6.5], [2.5, 2.5]],
]
FEATURES = [
    feature("LineString", [[0.5, 0.5], [3.5, 0.5]]),
    feature("MultiLineString", [[[5.5, 0.5], [5.5, 1.5]], [[7.5, 0.5], [7.5, 1.5]]]),
    feature("Point", [7.5, 5.5], {"name": "_background_", "color": [9, 9, 9]}),
    feature("MultiPoint", [[0.5, 2.5], [0.5, 4.5]], {"name": "Stroma", "colorRGB": -16711936}),
    feature("Polygon", [SQUARE], {"names": ["Stroma", "Dense"]}),
]


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def write(folder: Path, content: Any, size: tuple[int, int] = (6, 8), name: str = "a") -> Path:
    save_picture(folder / f"{name}.png", size)
    path = folder / f"{name}.geojson"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("bare", [False, True])
def test_every_kind_of_geometry_is_painted_in_its_place(tmp_path: Path, bare: bool) -> None:
    write(tmp_path, FEATURES if bare else collection(*FEATURES))
    u = 255
    expected = [
        [3, 3, 3, 3, u, 3, u, 3],
        [u, u, u, u, u, 3, u, 3],
        [1, u, u, u, u, u, u, u],
        [u, u, u, 2, 2, u, u, u],
        [1, u, u, 2, 2, u, u, u],
        [u, u, u, u, u, u, u, 0],
    ]
    assert imported("qupath", tmp_path, raster=THIN)["a"].tolist() == expected
    drawings, classes = read_all("qupath", tmp_path)
    assert classes.names == ("_background_", "Stroma", "Stroma: Dense", "Tumor")
    assert classes.palette[0] == (9, 9, 9)
    assert classes.palette[1] == (0, 255, 0)
    assert classes.palette[3] == (200, 0, 0)
    assert drawings["a"].picture == tmp_path / "a.png"


def test_areas_have_holes(tmp_path: Path) -> None:
    write(tmp_path, collection(feature("MultiPolygon", [RING, [SQUARE]])), (10, 10))
    label = imported("qupath", tmp_path, raster=THIN)["a"]
    ring = np.full((10, 10), 255)
    ring[:8, :8] = 1
    ring[2:6, 2:6] = 255
    ring[3:5, 3:5] = 1  # the square of the second polygon
    np.testing.assert_array_equal(label, ring)
    write(tmp_path, collection(feature("Polygon", RING)), (10, 10))
    label = imported("qupath", tmp_path, raster=THIN)["a"]
    assert (label[2:6, 2:6] == 255).all()
    assert (label == 1).sum() == 64 - 16


def test_only_what_was_drawn_and_classified_is_read(tmp_path: Path) -> None:
    stacked = feature("Point", [1, 1])
    stacked["geometry"]["plane"] = {"c": -1, "z": 2, "t": 0}
    inner = feature("Point", [2.5, 2.5], {"name": "Inner"})
    write(
        tmp_path,
        collection(
            feature("Point", [1, 1], None),
            feature("Point", [1, 1], objectType="detection"),
            feature("Point", [1, 1], objectType="cell"),
            stacked,
            feature("Point", [1.5, 1.5], childObjects=[inner]),
            {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}},
            feature("Point", [3.5, 3.5], "Plain"),
        ),
    )
    drawings, classes = read_all("qupath", tmp_path)
    assert classes.names == ("background", "Inner", "Plain", "Tumor")
    assert [mark.class_name for mark in drawings["a"].marks] == ["Tumor", "Inner", "Plain"]
    assert drawings["a"].remarks == (
        "left out: objects without a classification",
        "left out: objects of type 'detection', which nobody has drawn",
        "left out: objects of type 'cell', which nobody has drawn",
        "left out: objects in other planes of a stack than the first",
    )


def test_the_picture_is_found_by_the_name_of_the_file(tmp_path: Path) -> None:
    save_picture(tmp_path / "images/x/b.tif", (6, 8))
    (tmp_path / "x").mkdir()
    (tmp_path / "x/b.tif.geojson").write_text(json.dumps(collection()))
    assert read_all("qupath", tmp_path)[0]["x/b"].picture == tmp_path / "images/x/b.tif"
    save_picture(tmp_path / "images/x/b.jpg", (6, 8))
    assert read_all("qupath", tmp_path)[0]["x/b"].picture == tmp_path / "images/x/b.tif"
    (tmp_path / "c.json").write_text(json.dumps(feature("Point", [1, 1])))
    with pytest.raises(DataError, match=r"no picture of c; GeoJSON does not say how large"):
        read_all("qupath", tmp_path)


def test_unknown_classes_may_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, collection(*FEATURES))
    classes = classes_of("_background_", "Stroma")
    with pytest.raises(DataError, match=r"features\[0\]: class 'Tumor' is unknown"):
        read_all("qupath", tmp_path, Options(classes))
    drawing = read_all("qupath", tmp_path, Options(classes, unknown="skip"))[0]["a"]
    assert len(drawing.marks) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x", r"a\.geojson is 'x'; expected a list"),
        ({"type": "FeatureCollection"}, r"a\.geojson: features is None; expected a list"),
        ([3], r"features\[0\] is 3; expected key"),
        ({"type": "Topology"}, r"features\[0\]: type is 'Topology'; expected 'Feature'"),
        ([{"type": "Feature", "properties": 3}], r"features\[0\]: properties is 3; expected key"),
        ([feature("Point", [1, 1], 3)], r"features\[0\]: classification is 3; expected key"),
        ([feature("Point", [1, 1], {"name": 3})], r"features\[0\]: class name 3 is not a text"),
        ([feature("Point", [1, 1], {"color": []})], r"features\[0\]: names is None; expected a l"),
        ([{**feature("Point", [1, 1]), "geometry": None}], r"geometry is None; expected key"),
        ([feature("Circle", [1, 1])], r"features\[0\]: geometry is 'Circle'; known: LineString"),
        ([feature(["Point"], [1, 1])], r"features\[0\]: geometry is \['Point'\]; known"),
        ([feature("Point", 3)], r"features\[0\]: coordinates is 3; expected a list"),
        ([feature("Point", [1, 2, 3])], r"features\[0\]: coordinates: points are not pairs"),
        ([feature("LineString", [])], r"features\[0\]: coordinates: points are not pairs"),
        ([feature("MultiLineString", [[[1, 1]], [3]])], r"coordinates\[1\]: points are not pairs"),
        ([feature("MultiLineString", [3])], r"coordinates\[0\] is 3; expected a list"),
        ([feature("Polygon", [])], r"coordinates: a polygon without points"),
        ([feature("Polygon", [SQUARE, [1]])], r"coordinates: points are not pairs"),
        ([feature("Point", [1e9, 1])], r"point \(1000000000\.0, 1\.0\) is no place in a picture"),
        ([feature("Point", [1, 1], childObjects=3)], r"features\[0\]: childObjects is 3; expected"),
    ],
)
def test_files_that_make_no_sense_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    write(tmp_path, content)
    with pytest.raises(DataError, match=message):
        read_all("qupath", tmp_path)


NESTED = collection(*FEATURES, feature("Polygon", RING, childObjects=[FEATURES[0]]))


@given(damaged(json.dumps(NESTED).encode()))
@quick
def test_damaged_files_are_read_or_refused(tmp_path: Path, broken: bytes) -> None:
    save_picture(tmp_path / "a.png", (6, 8))
    (tmp_path / "a.json").write_bytes(broken)
    read_or_refuse("qupath", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.png"]


@given(changed(NESTED))
@quick
def test_files_with_odd_values_are_read_or_refused(tmp_path: Path, odd: Any) -> None:
    save_picture(tmp_path / "a.png", (6, 8))
    (tmp_path / "a.json").write_text(json.dumps(odd))
    read_or_refuse("qupath", tmp_path)
