"""The data of a run: reads the layout, checks every file once, makes the loaders."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import lightning as L
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from scribbleseg.annotation.audit import LabelAudit
from scribbleseg.annotation.id_list import some
from scribbleseg.data.data_options import check_options
from scribbleseg.data.dataset import EvaluationDataset, ScribbleDataset
from scribbleseg.data.distance_maps import map_sources, with_maps
from scribbleseg.data.layout import Record, Supervision, find_pictures, with_scribbles
from scribbleseg.data.layouts import load_layout
from scribbleseg.data.loaders import batches_drawn, evaluation_loader, of_one_size, training_loader
from scribbleseg.data.normalisation import normalisation_of
from scribbleseg.data.pseudo_labels import find_pseudo_label_folder, with_pseudo_labels
from scribbleseg.data.sample import Batch, EvaluationBatch, EvaluationSample, Sample
from scribbleseg.data.sampler import EpochSampler
from scribbleseg.data.supervision import Unlabelled, training_kinds
from scribbleseg.data.tags import MASK, TagSource, tags_from, training_tags, with_tags
from scribbleseg.data.training_labels import audit_training_labels, read_labels
from scribbleseg.data.views import VIEWS, Views
from scribbleseg.errors import ConfigError, DataError

__all__ = ["ScribbleDataModule"]

log = logging.getLogger(__name__)


class ScribbleDataModule(L.LightningDataModule):
    """Training, validation, test and prediction data of one dataset.

    Args:
        root: Folder of the dataset; a relative one is looked for below ``$SCRIBBLESEG_DATA``,
            ``../shared/data`` and the working directory.
        layout: Known dataset (acdc, camvid, cityscapes, coco, shapes, voc, ...), ``folder`` for
            your own with a ``dataset.yaml``, or the dotted path of a module with a ``LAYOUT``.
        train: List of training images; ``all`` is every picture of the dataset, without a list;
            ``LIST::8`` every eighth id of a list, ``ONE+OTHER`` those of both.
        val: List of validation images; null for no validation.
        test: List of test images; null for no test.
        supervision: What training images bring: scribble, mask or tags for all of them, or a file
            with lines ``<id><tab>scribble|mask|tags``.
        labelled: List of the training images that bring ``supervision``; null for all of them.
        labelled_first: Only so many images from the top of that list (of ``train``, if it is null).
        unlabelled: What the other training images do: bring ``tags``, or be left out.
        sampling: Relative share of each kind of supervision in an epoch; null draws every image
            once.
        resize: Height and width of the network's input, in training and evaluation; null keeps the
            picture's size.
        transforms: Joint random transforms of training samples, in order, after ``resize``.
        weak_transforms: The same for the weak half of a batch; null for ``transforms``.
        mean: Mean of each channel on the 0..1 scale; null for ImageNet's (RGB) or 0 (grey).
        std: Their standard deviations; null for ImageNet's (RGB) or 1 (grey).
        background_prior: ``hull`` trains everything outside the convex hull of an image's strokes
            as background; only for datasets whose background strokes go around the objects.
        allow_empty: Accept training images in which nothing is drawn.
        batch_size: Images of one process in a training step, or in the strong half of it.
        weak_batch_size: Images of one process in the weak half, for methods that train with halves
            (LPL): it is drawn from all training images, the strong one from those with a mask or
            scribble. Null for no halves.
        eval_batch_size: Images of one process in an evaluation step; above 1 they must have one
            size, or ``resize`` must be set.
        num_workers: Processes that load data; 0 loads in the training process.
        in_memory: Read each training image once and keep it, after ``resize``; every process that
            loads keeps its own. For small datasets: an image takes about 5 bytes a pixel.
        seed: Seed of order and augmentation; the command line sets it from ``seed_everything``.
        images: Picture file, or folder of pictures, for ``predict``; null predicts the test list.
        scribbles: Folder of the scribbles instead of the dataset's own (null), e.g. simulated
            ones; relative to the working directory or to the dataset.
        tags: File with the tags of the training images, beside those of their own strokes, and in
            place of the dataset's own file of tags: text, JSON or ``cls_labels.npy``; relative to
            the working directory or to the dataset. ``mask`` simulates tags: masks of all training
            images are read, for their classes alone.
        pseudo_labels: Folder with a pseudo label of every training image, for methods that use
            them; relative to the working directory or to the dataset. Null for none.
        scribble_distance: Distance map of the strokes of objects, for methods that use it: the
            scale of the maps to compute (``e``, ``e2``, a number above 0), or a folder of maps.
        pseudo_distance: Distance map of the pseudo labels' outlines: the same (``e6`` in CDSP).
        distance_pad: Value of both maps on padding; 255 in CDSP.
        evaluation_tags: Restrict predictions of the dataset's images to the classes of their
            scribble (or the tags file, where nothing is drawn), of the tags file (or their
            scribble, where it does not name them), or (an oracle, for protocols that ask for it)
            of their mask.
    """

    def __init__(
        self,
        root: str,
        layout: str = "folder",
        *,
        train: str = "train",
        val: str | None = "val",
        test: str | None = "test",
        supervision: str = "scribble",
        labelled: str | None = None,
        labelled_first: int | None = None,
        unlabelled: Unlabelled = "tags",
        sampling: dict[str, float] | None = None,
        resize: tuple[int, int] | None = None,
        transforms: list[v2.Transform] | None = None,
        weak_transforms: list[v2.Transform] | None = None,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
        background_prior: Literal["none", "hull"] = "none",
        allow_empty: bool = False,
        batch_size: int = 8,
        weak_batch_size: int | None = None,
        eval_batch_size: int = 1,
        num_workers: int = 0,
        in_memory: bool = False,
        seed: int = 0,
        images: str | None = None,
        scribbles: str | None = None,
        tags: str | None = None,
        pseudo_labels: str | None = None,
        scribble_distance: str | float | None = None,
        pseudo_distance: str | float | None = None,
        distance_pad: Literal[0, 255] = 255,
        evaluation_tags: TagSource = "none",
    ) -> None:
        super().__init__()
        self.layout, self.root = load_layout(layout, root)
        if scribbles is not None:
            self.layout = with_scribbles(self.layout, self.root, scribbles)
        if tags is not None and tags != MASK:
            self.layout = with_tags(self.layout, self.root, tags)
        check_options(
            self.layout,
            background_prior=background_prior,
            weak_transforms=weak_transforms,
            weak_batch_size=weak_batch_size,
            resize=resize,
            num_workers=num_workers,
        )
        self.lists: dict[str, str | None] = {"train": train, "val": val, "test": test}
        self.supervision, self.sampling, self.tags = supervision, sampling, tags
        self.labelled, self.labelled_first = labelled, labelled_first
        self.unlabelled: Unlabelled = unlabelled
        self.resize, self.transforms = resize, transforms or []
        self.weak_transforms = self.transforms if weak_transforms is None else weak_transforms
        self.normalise = normalisation_of(mean, std, channels=self.in_channels)
        self.mean, self.std = self.normalise.mean, self.normalise.std
        self.background_prior, self.allow_empty = background_prior, allow_empty
        self.batch_size, self.weak_batch_size = batch_size, weak_batch_size
        self.eval_batch_size, self.num_workers = eval_batch_size, num_workers
        self.seed, self.images, self.in_memory = seed, images, in_memory
        self.pseudo_labels, self.evaluation_tags = pseudo_labels, evaluation_tags
        self.distance_maps = map_sources(scribble_distance, pseudo_distance)
        self.distance_pad, self.predicted_split = distance_pad, "test"
        self.predicted_tags: Mapping[str, Tensor] | None = None
        self.left_out: frozenset[str] = frozenset()
        self.audit: LabelAudit | None = None
        self._train: ScribbleDataset | None = None
        self._checked: set[str] = set()

    @property
    def class_names(self) -> list[str]:
        """Names of the classes in the order of the labels."""
        return list(self.layout.class_names)

    @property
    def in_channels(self) -> int:
        """Channels of a picture: 3 (RGB) or 1 (grey)."""
        return 1 if self.layout.image_mode == "L" else 3

    @property
    def ignore_index(self) -> int:
        """Label value of unlabelled pixels."""
        return self.layout.ignore_index

    @property
    def train_supervision(self) -> frozenset[str]:
        """What training batches bring: supervision, pseudo labels, distance maps, views, halves."""
        kinds: set[str] = {record.supervision for record in self.train_dataset().records}
        if self.pseudo_labels is not None:
            kinds.add("pseudo_label")
        if self.weak_batch_size is not None:
            kinds.add("halves")
        if any(isinstance(transform, Views) for transform in self.transforms):
            kinds.add("views")
        return frozenset(kinds | self.distance_maps.keys())

    def prepare_data(self) -> None:
        """Write an embedded dataset that is not there yet; one process does this."""
        if self.layout.generate is not None and not self.root.is_dir():
            log.info("writing the embedded dataset to %s", self.root)
            self.layout.generate(self.root)

    def setup(self, stage: str) -> None:
        """Check everything that a stage will read, before it begins.

        Raises:
            DataError: A list or file is missing, or labels are wrong; see `check_training`.
        """
        if stage == "fit":
            self.make_sampler()
            if self._process()[0] == 0:  # the files are the same for every process
                self.check_training()
                for split in ("val", "test"):
                    if self.lists[split] is not None:
                        self.check_evaluation(split)
        elif stage in {"validate", "test"}:
            self.evaluation_dataset("val" if stage == "validate" else "test")

    def names(self, split: str) -> list[str]:
        """The ids of a split (``train``, ``val`` or ``test``).

        Raises:
            ConfigError: The split is set to null.
            DataError: Its list is missing or wrong.
        """
        name = self.lists[split]
        if name is None:
            raise ConfigError(f"data.{split}: no list given; add --data.{split} LIST, e.g. all")
        return self.layout.names(self.root, name)

    def train_kinds(self) -> dict[str, Supervision]:
        """What each training image brings, by id; no file of theirs is looked for.

        Raises:
            ConfigError: As `training_kinds`.
            DataError: A list is missing or wrong, or an image is of no kind.
        """
        return training_kinds(
            self.names("train"),
            self.supervision,
            self.root,
            self.layout.names(self.root, self.labelled) if self.labelled else None,
            self.labelled_first,
            self.unlabelled,
        )

    def train_dataset(self) -> ScribbleDataset:
        """The training images, read from the lists once."""
        if self._train is None:
            kinds = self.train_kinds()
            records = self.layout.records(self.root, list(kinds), kinds)
            tags = training_tags(self.tags, self.layout, self.root, records)
            if self.pseudo_labels is not None:
                folder = find_pseudo_label_folder(self.pseudo_labels, self.root)
                records = with_pseudo_labels(records, folder)
            records, scales = with_maps(records, self.distance_maps, self.root)
            self._train = ScribbleDataset(
                records,
                self.layout,
                transform=v2.Compose(self.transforms) if self.transforms else None,
                weak_transform=v2.Compose(self.weak_transforms) if self.weak_transforms else None,
                resize=self.resize,
                background_prior=self.background_prior,
                distance_scales=scales,
                distance_pad=self.distance_pad,
                tags=tags,
                in_memory=self.in_memory,
                seed=self.seed,
            )
        return self._train

    def evaluation_dataset(self, split: str) -> EvaluationDataset:
        """The images of ``val`` or ``test``; every one must have a mask.

        Raises:
            DataError: Masks are missing.
        """
        records = self.layout.evaluation_records(self.root, self.names(split))
        missing = [record.name for record in records if record.mask is None]
        if missing:
            raise DataError(
                f"{self.root / (self.layout.masks or 'masks')}: no mask for {some(missing)} of "
                f"list {split!r}"
            )
        return EvaluationDataset(
            records, self.layout, resize=self.resize, tags=self._evaluation_tags(records)
        )

    def prediction_records(self) -> list[Record]:
        """The pictures of ``images``, or of the list ``predicted_split``, without their masks."""
        if self.images is not None:
            return find_pictures(Path(self.images))
        records = self.layout.evaluation_records(self.root, self.names(self.predicted_split))
        return [replace(record, mask=None) for record in records]

    def prediction_dataset(self) -> EvaluationDataset:
        """The pictures to predict, without those ``left_out``: done already, or not readable."""
        records = [r for r in self.prediction_records() if r.name not in self.left_out]
        # Pictures from elsewhere have neither scribbles nor tags.
        tags = self.predicted_tags
        if tags is None and self.images is None:
            tags = self._evaluation_tags(records)
        return EvaluationDataset(records, self.layout, resize=self.resize, tags=tags)

    def check_training(self) -> LabelAudit:
        """Read every label and picture of the training set once; refuse what cannot be trained on.

        Raises:
            DataError: A file is unreadable, a label has another size than its picture or a value
                out of range, is empty without ``allow_empty``, or class 0 is never drawn.
        """
        if self.audit is None:
            dataset = self.train_dataset()
            self.audit = audit_training_labels(
                dataset.records,
                self.layout,
                self.root,
                tags=dataset.tags,
                allow_empty=self.allow_empty,
            )
        return self.audit

    def check_evaluation(self, split: str) -> None:
        """Read every mask and picture of ``val`` or ``test`` once.

        Raises:
            DataError: A file is missing or unreadable, a mask has another size than its picture or
                a value out of range.
        """
        if split not in self._checked:
            files = [(r.mask, r.image) for r in self.evaluation_dataset(split).records]
            read_labels(files, self.layout, self.root)
            self._checked.add(split)

    def make_sampler(self) -> EpochSampler:
        """The order of this process's training samples.

        Raises:
            ConfigError: There are fewer images than one step needs, or the shares are wrong.
        """
        rank, world_size = self._process()
        trainer = self.trainer
        return EpochSampler(
            [record.supervision for record in self.train_dataset().records],
            batch_size=self.batch_size,
            seed=self.seed,
            ratios=self.sampling,
            weak_batch_size=self.weak_batch_size,
            rank=rank,
            world_size=world_size,
            position=lambda: 0 if trainer is None else batches_drawn(trainer),
            limit=1.0 if trainer is None else trainer.limit_train_batches,
        )

    def train_dataloader(self) -> DataLoader[Sample]:
        """Shuffled training batches; the order depends on (seed, epoch) alone."""
        return training_loader(
            self.train_dataset(), self.make_sampler(), num_workers=self.num_workers
        )

    def val_dataloader(self) -> Any:
        """Validation images in order, or no loader at all."""
        if self.lists["val"] is None:
            return []
        return self._loader(self.evaluation_dataset("val"), batch_size=self.eval_batch_size)

    def test_dataloader(self) -> DataLoader[EvaluationSample]:
        """Test images in order."""
        return self._loader(self.evaluation_dataset("test"), batch_size=self.eval_batch_size)

    def predict_dataloader(self) -> DataLoader[EvaluationSample]:
        """Pictures to predict, in order; one at a time where they differ in size."""
        dataset = self.prediction_dataset()
        one_size = self.resize is not None or (
            self.eval_batch_size > 1 and of_one_size(dataset.records)
        )
        return self._loader(dataset, batch_size=self.eval_batch_size if one_size else 1)

    def on_after_batch_transfer(
        self, batch: Batch | EvaluationBatch, dataloader_idx: int
    ) -> Batch | EvaluationBatch:
        """Normalise training pictures on the device; they travel as uint8.

        Pictures to predict stay as they are: a large one must not exist a second time as float.
        Both bring what normalises them, for a prediction or for a loss that looks at intensities.
        """
        batch = {**batch, "normalise": self.normalise}
        if "size" in batch:
            return batch
        pictures = {key: self.normalise(batch[key]) for key in ("image", *VIEWS) if key in batch}
        if self.trainer is None:
            return {**batch, **pictures}
        return {**batch, **self.trainer.precision_plugin.convert_input(pictures)}

    def _loader(
        self, dataset: EvaluationDataset, *, batch_size: int
    ) -> DataLoader[EvaluationSample]:
        return evaluation_loader(dataset, batch_size, self.num_workers, *self._process())

    def _process(self) -> tuple[int, int]:
        trainer = self.trainer
        return (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)

    def _evaluation_tags(self, records: Sequence[Record]) -> Mapping[str, Tensor] | None:
        names = [record.name for record in records]
        return tags_from(self.evaluation_tags, self.layout, self.root, names)
