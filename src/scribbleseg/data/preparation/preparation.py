"""Published datasets made ready to train: what a dataset's module offers, and what it is told."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from scribbleseg.annotation.id_list import read_list
from scribbleseg.annotation.raster import Raster
from scribbleseg.annotation.untrusted import without_twins
from scribbleseg.data.layout import Layout
from scribbleseg.data.preparation.dataset_files import describe
from scribbleseg.data.preparation.production import (
    Crew,
    Finish,
    Job,
    Production,
    Progress,
    produce,
)
from scribbleseg.errors import ConfigError, DataError

__all__ = ["Options", "Plan", "Preparation", "Prepared", "no_more", "prepare"]

SETTINGS = ("form", "variant", "crowd", "context_table")
"""Options on which the files depend; of paths and the raster, a plan says what matters."""


@dataclass(frozen=True)
class Options:
    """What the user says about a dataset; each dataset takes some of these.

    Args:
        scribbles: Where the scribbles are; None for the published places in the source.
        raster: Rule by which strokes in XML become pixels; None for that of the form.
        form: Whose folder names are written: those of CDSP and of this library (``voc``), of PFA or
            of BLPSeg.
        sbd: The masks of SBD that extend VOC: its folder, or what ``prepare sbd`` made of it.
        variant: Which of the three published sets of scribbles; None for all that are there.
        crowd: What a region of many things of a class becomes in COCO: the class, or unlabelled.
        context_table: Which 59 of the 459 ids of PASCAL-Context become which class: as published,
            or with the four faults of BLPSeg's evaluation, to compare with its number.
    """

    scribbles: Path | None = None
    raster: Raster | None = None
    form: Literal["voc", "pfa", "blpseg"] = "voc"
    sbd: Path | None = None
    variant: Literal["r1", "r2", "r3"] | None = None
    crowd: Literal["class", "ignore"] = "class"
    context_table: Literal["correct", "reference"] = "correct"


def no_more(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, str | bytes]:
    """No further files."""
    return {}


@dataclass(frozen=True)
class Plan:
    """What will be made of a source that has been checked.

    Args:
        layout: Where the files go, and the classes.
        lists: The ids of each list, by its file.
        jobs: They make the files of all images; their facts are those of `labelled_images`.
        tags: Classes of images whose tags are known from a file, by id.
        more: From the facts to further files.
        settings: Plain JSON values on which the files depend, beside the options.
        remarks: What a person should know.
    """

    layout: Layout
    lists: Mapping[str, Sequence[str]]
    jobs: Sequence[Job]
    tags: Mapping[str, Sequence[int]] = field(default_factory=dict)
    more: Finish = no_more
    settings: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preparation:
    """A published dataset that can be prepared.

    Args:
        name: As on the command line.
        title: What it is, in a few words.
        source: What has to be given, and where to get it.
        plan: Checks the source completely and says what will be made.
        takes: The fields of `Options` that mean something here.
        extra: Extra of this package that has to be installed.
    """

    name: str
    title: str
    source: str
    plan: Callable[[Path, Options], Plan]
    takes: tuple[str, ...] = ()
    extra: str | None = None

    @property
    def option_names(self) -> list[str]:
        """What `takes` is on the command line."""
        names = {"raster": ("--rule", "--width")}
        return [option for name in self.takes for option in names.get(name, (f"--{name}",))]


@dataclass(frozen=True)
class Prepared:
    """What has been prepared.

    Args:
        production: The files.
        layout: Where they are, and the classes.
        lists: Number of ids in each list, by its file.
        remarks: What a person should know, each once, and how often it was found.
    """

    production: Production
    layout: Layout
    lists: Mapping[str, int]
    remarks: tuple[str, ...]


def prepare(
    preparation: Preparation,
    source: Path,
    target: Path,
    *,
    options: Options = Options(),
    crew: Crew = Crew(),
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> Prepared:
    """Make a published dataset ready to train.

    Args:
        preparation: Which dataset.
        source: Its folder as published.
        target: Folder of the prepared dataset.
        options: What the user says about it.
        crew: Who does the work.
        overwrite: As `produce`.
        progress: As `produce`.

    Raises:
        ConfigError: An option means nothing for this dataset, a library is missing, or source and
            target are one folder.
        DataError: The source is incomplete, contradicts itself, or holds what cannot be read.
        RunError: The target is something else's.
    """
    _check_options(preparation, options)
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; it should hold {preparation.source}")
    if target.resolve() == source.resolve():
        raise ConfigError(f"{target}: is the source itself; choose another folder")
    # Jobs run in other processes, and are known again by the paths of their files.
    plan = preparation.plan(
        source.absolute(),
        replace(
            options,
            scribbles=options.scribbles.absolute() if options.scribbles else None,
            sbd=options.sbd.absolute() if options.sbd else None,
        ),
    )
    without_twins(source, [job.name for job in plan.jobs])
    production = produce(
        target,
        plan.jobs,
        settings={
            "prepare": preparation.name,
            **{name: getattr(options, name) for name in preparation.takes if name in SETTINGS},
            **plan.settings,
        },
        finish=partial(_finish, preparation, plan),
        crew=crew,
        overwrite=overwrite,
        progress=progress,
    )
    remarks = Counter([*plan.remarks, *production.remarks])
    return Prepared(
        production=production,
        layout=plan.layout,
        lists={
            path.relative_to(target).as_posix(): len(read_list(path))
            for path in sorted(target.glob("**/ImageSets/**/*.txt"))
        },
        remarks=tuple(
            remark if count == 1 else f"{remark} ({count} times)"
            for remark, count in remarks.items()
        ),
    )


def _check_options(preparation: Preparation, options: Options) -> None:
    for option in fields(Options):
        given = getattr(options, option.name) != option.default
        if given and option.name not in preparation.takes:
            taken = ", ".join(preparation.option_names) or "no options"
            raise ConfigError(
                f"{_flag(option.name)} means nothing for {preparation.name!r}; it takes {taken}"
            )
    for name in ("scribbles", "sbd"):
        folder = getattr(options, name)
        if folder is not None and not folder.is_dir():
            raise DataError(f"--{name}: no folder {folder}")


def _flag(option: str) -> str:
    """What an option is called on the command line."""
    return "--rule" if option == "raster" else f"--{option}"


def _finish(
    preparation: Preparation, plan: Plan, facts: Mapping[str, Mapping[str, Any]]
) -> dict[str, str | bytes]:
    raster = plan.settings.get("raster", plan.layout.raster)
    return {
        **plan.more(facts),
        **describe(preparation.title, plan.layout, plan.lists, facts, plan.tags, raster),
    }
