"""ACDC with the human scribbles of Valvano et al., as 8-bit slices in the five folds of WSL4MIS.

Three forms of source are understood, see `scribbleseg.data.preparation.acdc_files`. What is made is
that of the layout ``acdc``: grey values are those of WSL4MIS (one scale a volume, the brightest 1 %
cut off), fold K is validated on patients 20 K - 19 .. 20 K. Lists of which no patient is here are
not written.
"""

import csv
import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from scribbleseg.annotation.id_list import some
from scribbleseg.data.layouts.acdc import LAYOUT
from scribbleseg.data.preparation.acdc_files import EXTRA, Bytes, Scan, find_scans
from scribbleseg.data.preparation.labelled_images import class_pixels, write_grey
from scribbleseg.data.preparation.preparation import Options, Plan, Preparation
from scribbleseg.data.preparation.production import Job, Made

__all__ = ["PREPARATION"]

PATIENTS, VOLUMES = 100, 200
FOLDS = range(1, 6)
GET_SCRIBBLES = (
    "get acdc_scribbles.zip from github gvalvano/multiscale-adversarial-attention-gates and give "
    "--scribbles DIR"
)
UNKNOWN_SPACING = "spacing unknown: volumes.csv says 1 mm, so that distances count pixels"

# fmt: off
COLUMNS = (
    "patient", "frame", "val_fold", "n_slices", "height", "width", "spacing_z", "spacing_y",
    "spacing_x", "slices",
)
# fmt: on
Facts = Mapping[str, Mapping[str, Any]]


def plan(source: Path, options: Options) -> Plan:
    """What is made of ACDC."""
    found = find_scans(source, options.scribbles)
    scans = [scan for scan in found if 1 <= scan.patient <= PATIENTS]
    remarks = []
    if len(scans) < len(found):
        remarks.append(f"{len(found) - len(scans)} volumes of the test set are left out")
    if len(scans) != VOLUMES:
        remarks.append(f"{len(scans)} volumes, published are {VOLUMES}")
    undrawn = [scan.name for scan in scans if not scan.has_scribble]
    if undrawn:
        remarks.append(f"no scribbles for {some(undrawn)} ({len(undrawn)}): {GET_SCRIBBLES}")
    return Plan(
        layout=LAYOUT,
        lists={},  # they depend on the number of slices
        jobs=[Job(scan.name, partial(_make_scan, scan), scan.sources) for scan in scans],
        more=_lists_and_volumes,
        remarks=tuple(remarks),
    )


def _make_scan(scan: Scan, target: Path) -> Made:
    slices = scan.read()
    facts: list[dict[str, Any]] = []
    made: dict[str, Bytes] = {}
    for index, image in enumerate(slices.images):
        name = f"{scan.name}_slice_{index}"
        labels = {"mask": (LAYOUT.masks, slices.masks[index])}
        if slices.scribbles is not None:
            labels["scribble"] = (LAYOUT.scribbles, slices.scribbles[index])
        made[f"{LAYOUT.images}/{name}.png"] = image
        made |= {f"{folder}/{name}.png": label for folder, label in labels.values()}
        counts = {
            kind: class_pixels(scan.sources[0], label, len(LAYOUT.class_names))
            for kind, (_, label) in labels.items()
        }
        facts.append({"name": name, **counts})
    for file, pixels in made.items():
        write_grey(target / file, pixels)
    spacing = slices.spacing or (1.0, 1.0, 1.0)
    return Made(
        tuple(made),
        {"images": facts, "size": slices.images.shape[1:], "spacing": spacing},
        () if slices.spacing else (UNKNOWN_SPACING,),
    )


def _lists_and_volumes(facts: Facts) -> dict[str, str | bytes]:
    fold_of = {case: (int(case[7:10]) - 1) // 20 + 1 for case in facts}
    slices = {case: [one["name"] for one in fact["images"]] for case, fact in facts.items()}
    lists = {"all": list(facts)}
    for fold in FOLDS:
        lists[f"fold{fold}_train"] = [case for case in facts if fold_of[case] != fold]
        lists[f"fold{fold}_val"] = [case for case in facts if fold_of[case] == fold]
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(COLUMNS)
    for case, fact in facts.items():
        patient, frame = case.split("_")
        sizes = [f"{size:g}" for size in (*fact["size"], *fact["spacing"])]
        names = slices[case]
        rows.writerow((patient, frame, f"fold{fold_of[case]}", len(names), *sizes, " ".join(names)))
    texts: dict[str, str | bytes] = {
        f"ImageSets/{name}.txt": "".join(f"{one}\n" for case in cases for one in slices[case])
        for name, cases in lists.items()
        if cases
    }
    return {**texts, str(LAYOUT.volumes): table.getvalue()}


PREPARATION = Preparation(
    name="acdc",
    title="ACDC (cardiac MRI, 3 classes and background) with human scribbles",
    source="patientPPP/patientPPP_frameFF.nii.gz and _gt.nii.gz, or ACDC_training_slices/*.h5 of "
    "WSL4MIS, or slices as pictures",
    plan=plan,
    takes=("scribbles",),
    extra=EXTRA,
)
