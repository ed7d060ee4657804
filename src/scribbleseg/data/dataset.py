"""From files to training and evaluation samples."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from scribbleseg.annotation.audit import check_label
from scribbleseg.annotation.distance import pseudo_label_distance_map, scribble_distance_map
from scribbleseg.annotation.hull import far_background
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.image_file import read_image
from scribbleseg.annotation.label_image import LabelImage, read_label
from scribbleseg.data.distance_maps import DistanceMap, read_stored_map
from scribbleseg.data.layout import Layout, Record
from scribbleseg.data.sample import EvaluationSample, Region, Sample
from scribbleseg.data.sampler import Draw
from scribbleseg.data.tags import tags_from_label
from scribbleseg.data.transforms import resize
from scribbleseg.errors import ConfigError, DataError

__all__ = ["EvaluationDataset", "ScribbleDataset"]

Transform = Callable[[Any], Any]


class ScribbleDataset(Dataset[Sample]):
    """Training images, each with a scribble, a mask or tags only.

    An item depends on its `Draw` and the seed and on nothing else, so batches are the same for any
    number of loader workers; a pair is epoch and image, a plain number an image of epoch 0.

    Args:
        records: Files of each image; any mix of supervision.
        layout: Classes, ignore index and picture mode.
        transform: Joint random transform of a `Sample`; None for none.
        weak_transform: The same for the weak halves of batches.
        resize: Height and width to which everything is brought first; None keeps the picture's
            size.
        background_prior: ``hull`` adds `Sample` ``far_background``.
        distance_scales: Distance maps to compute and their scales, above 0. A record's stored map
            comes first.
        distance_pad: Value of distance maps on padding, 0..255.
        tags: Tags ``(K,)`` by image id, of all images that declare tags only. Others have the
            classes of their label image, and those that are given for them.
        in_memory: Keep what was read of an image, after ``resize``, for the next time. Every
            process that loads keeps its own.
        seed: Seed of all randomness.

    Raises:
        ConfigError: Distances of pseudo labels are wanted where there are none.
    """

    def __init__(
        self,
        records: Sequence[Record],
        layout: Layout,
        *,
        transform: Transform | None = None,
        weak_transform: Transform | None = None,
        resize: tuple[int, int] | None = None,
        background_prior: Literal["none", "hull"] = "none",
        distance_scales: Mapping[DistanceMap, float] | None = None,
        distance_pad: int = 255,
        tags: Mapping[str, Tensor] | None = None,
        in_memory: bool = False,
        seed: int = 0,
    ) -> None:
        self.records, self.layout = list(records), layout
        self.transform, self.weak_transform = transform, weak_transform
        self.resize, self.seed = resize, seed
        self.background_prior, self.tags = background_prior, tags or {}
        self.distance_scales, self.distance_pad = distance_scales or {}, distance_pad
        self._kept: dict[int, Sample] | None = {} if in_memory else None
        unlabelled = [record.name for record in self.records if record.pseudo_label is None]
        if "pseudo_distance" in self.distance_scales and unlabelled:
            raise ConfigError(
                f"data.pseudo_distance: no pseudo label to compute it from for {some(unlabelled)}; "
                "set data.pseudo_labels, or give a folder of maps"
            )
        self.has_masks = any(record.supervision == "mask" for record in self.records)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.records)

    def __getitem__(self, key: int | tuple[int, int] | Draw) -> Sample:
        """Read and transform one image.

        Raises:
            DataError: A file cannot be read or contradicts another; the message names it.
        """
        draw = Draw(*key) if isinstance(key, tuple) else Draw(0, key)
        try:
            return self._sample(draw)
        except Exception as error:
            error.add_note(f"while image {self.records[draw.image].name!r} was loaded")
            raise

    def _sample(self, draw: Draw) -> Sample:
        sample = self._unmoved(draw.image)
        if draw.weak is not None:
            sample["weak"] = torch.tensor(draw.weak)
        transform = self.weak_transform if draw.weak else self.transform
        if transform is not None:
            # Only torch's CPU generator: manual_seed would reset the accelerators' generators for
            # every sample as well.
            with torch.random.fork_rng(devices=[]):
                sequence = np.random.SeedSequence([self.seed, *draw.entropy])
                state = sequence.generate_state(1, np.uint64)
                torch.default_generator.manual_seed(int(state[0]))
                sample = transform(sample)
        return self._settle(sample)

    def _unmoved(self, index: int) -> Sample:
        """An image before all randomness; the caller may change it."""
        if self._kept is not None and index in self._kept:
            return _copy(self._kept[index])
        sample = self._read(self.records[index])
        if self.resize is not None:
            moved = {key: resize(value, self.resize) for key, value in sample.items()}
            sample = cast("Sample", moved)
        if self._kept is not None:
            self._kept[index] = _copy(sample)
        return sample

    def _read(self, record: Record) -> Sample:
        pixels = read_image(record.image, self.layout.image_mode)
        size = pixels.shape[:2]
        nothing = np.full(
            size,
            self.layout.ignore_index,
            np.uint8 if self.layout.ignore_index < 256 else np.uint16,
        )
        masked = record.supervision == "mask"
        scribble = self._label(record.scribble, size, nothing)
        mask = self._label(record.mask, size, nothing)
        if record.supervision == "tags":
            tags = self.tags[record.name]
        else:
            tags = tags_from_label(
                mask if masked else scribble, num_classes=len(self.layout.class_names)
            )
            if (given := self.tags.get(record.name)) is not None:
                tags = torch.maximum(tags, given)
        sample: Sample = {
            "name": record.name,
            "supervision": record.supervision,
            "image": _image(pixels),
            "scribble": _mask(scribble),
            "tags": tags,
            "valid": Region(torch.ones(size, dtype=torch.bool)),
        }
        if self.has_masks:
            sample["mask"] = _mask(mask)
        # Nothing that a machine says is better than a mask.
        pseudo_label = mask if masked else self._label(record.pseudo_label, size, nothing)
        if record.pseudo_label is not None:
            sample["pseudo_label"] = _mask(pseudo_label)
        if record.pseudo_confidence is not None:
            confidence = _confidence(record.pseudo_confidence, size)
            sample["pseudo_confidence"] = tv_tensors.Mask(
                torch.from_numpy(np.full_like(confidence, 255) if masked else confidence)
            )
        ignore_index, scales = self.layout.ignore_index, self.distance_scales
        if record.scribble_distance is not None:
            sample["scribble_distance"] = _mask(read_stored_map(record.scribble_distance, size))
        elif (scale := scales.get("scribble_distance")) is not None:
            nearness = scribble_distance_map(scribble, scale=scale, ignore_index=ignore_index)
            sample["scribble_distance"] = _mask(nearness)
        if record.pseudo_distance is not None:
            sample["pseudo_distance"] = _mask(read_stored_map(record.pseudo_distance, size))
        elif (scale := scales.get("pseudo_distance")) is not None:
            away = pseudo_label_distance_map(pseudo_label, scale=scale, ignore_index=ignore_index)
            sample["pseudo_distance"] = _mask(away)
        if self.background_prior == "hull":
            far = far_background(scribble, ignore_index=ignore_index)
            sample["far_background"] = Region(torch.from_numpy(far))
        return sample

    def _label(self, path: Path | None, size: tuple[int, ...], nothing: LabelImage) -> LabelImage:
        if path is None:
            return nothing
        label = read_label(path)
        if label.shape != size:
            raise DataError(
                f"{path}: label is {label.shape[1]}x{label.shape[0]} but its picture "
                f"{size[1]}x{size[0]} pixels"
            )
        check_label(
            path,
            label,
            num_classes=len(self.layout.class_names),
            ignore_index=self.layout.ignore_index,
        )
        return label

    def _settle(self, sample: Sample) -> Sample:
        """Final types; padding, whatever a transform filled it with, becomes unlabelled."""
        padding = ~sample["valid"].as_subclass(Tensor)
        for key in ("scribble", "mask", "pseudo_label"):
            if key in sample:
                label = sample[key].as_subclass(Tensor).long()
                label[padding] = self.layout.ignore_index
                sample[key] = tv_tensors.Mask(label)
        if "pseudo_confidence" in sample:
            confidence = sample["pseudo_confidence"].as_subclass(Tensor).float() / 255
            sample["pseudo_confidence"] = tv_tensors.Mask(confidence.masked_fill(padding, 0))
        for weight in ("scribble_distance", "pseudo_distance"):
            if weight in sample:
                distance = sample[weight].as_subclass(Tensor).float()
                sample[weight] = tv_tensors.Mask(distance.masked_fill(padding, self.distance_pad))
        if "far_background" in sample:
            sample["far_background"] = Region(
                sample["far_background"].as_subclass(Tensor) & ~padding
            )
        return sample


def _copy(sample: Sample) -> Sample:
    copied = {k: v.clone() if isinstance(v, Tensor) else v for k, v in sample.items()}
    return cast("Sample", copied)


class EvaluationDataset(Dataset[EvaluationSample]):
    """Pictures to predict, with their masks at the picture's own size where there are any.

    Args:
        records: Files of each image; ``mask`` may be None.
        layout: Classes, ignore index and picture mode.
        resize: Height and width of the network's input; None keeps the picture's size.
        tags: Tags ``(K,)`` by image id, to which predictions are restricted; None for no
            restriction.
    """

    def __init__(
        self,
        records: Sequence[Record],
        layout: Layout,
        *,
        resize: tuple[int, int] | None = None,
        tags: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.records, self.layout, self.resize = list(records), layout, resize
        self.tags = tags

    def __len__(self) -> int:
        """Number of images."""
        return len(self.records)

    def __getitem__(self, index: int) -> EvaluationSample:
        """Read one image.

        Raises:
            DataError: A file cannot be read or contradicts another; the message names it.
        """
        record = self.records[index]
        pixels = read_image(record.image, self.layout.image_mode, record.page)
        # A view: of a large picture there is no second copy.
        image = tv_tensors.Image(
            torch.from_numpy(pixels).reshape(*pixels.shape[:2], -1).movedim(-1, 0)
        )
        size = (image.shape[-2], image.shape[-1])
        sample: EvaluationSample = {
            "name": record.name,
            "image": image if self.resize is None else resize(image, self.resize),
            "size": size,
        }
        if self.tags is not None:
            sample["tags"] = self.tags[record.name]
        if record.mask is not None:
            mask = read_label(record.mask)
            if mask.shape != size:
                raise DataError(
                    f"{record.mask}: mask is {mask.shape[1]}x{mask.shape[0]} but its picture "
                    f"{size[1]}x{size[0]} pixels"
                )
            num_classes, ignore_index = len(self.layout.class_names), self.layout.ignore_index
            check_label(record.mask, mask, num_classes=num_classes, ignore_index=ignore_index)
            sample["mask"] = torch.from_numpy(mask.astype(np.int64))
        return sample


def _confidence(path: Path, size: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    confidence = read_image(path, "L")
    if confidence.shape != size:
        raise DataError(
            f"{path}: confidence is {confidence.shape[1]}x{confidence.shape[0]} but its "
            f"picture {size[1]}x{size[0]} pixels"
        )
    return confidence


def _image(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> tv_tensors.Image:
    channels_first = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return tv_tensors.Image(torch.from_numpy(np.ascontiguousarray(channels_first)))


def _mask(label: LabelImage) -> tv_tensors.Mask:
    # torchvision has no kernels for uint16.
    return tv_tensors.Mask(
        torch.from_numpy(label if label.dtype == np.uint8 else label.astype(np.int32))
    )
