"""What predictions are compared with: masks, and whatever else is known about the images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scribbleseg.annotation.id_list import read_list
from scribbleseg.annotation.image_file import IMAGE_SUFFIXES
from scribbleseg.annotation.label_image import Color, voc_palette
from scribbleseg.data.image_folder import find_images
from scribbleseg.data.layout import Layout
from scribbleseg.errors import DataError

__all__ = ["Truth"]


@dataclass(frozen=True)
class Truth:
    """Folders and classes; what nobody has given is None or empty.

    Args:
        masks: Folder of the true label images.
        class_names: Names of the K classes.
        ignore_index: Label of pixels in the truth that do not count.
        scribbles: Folder of the scribbles.
        images: Folder of the pictures.
        image_suffixes: Suffixes tried for a picture, in this order.
        volumes: CSV that says which slices make a volume.
        palette: RGB of each class.
        layout: Layout of the dataset, for its lists.
        root: Folder of the dataset.
    """

    masks: Path
    class_names: tuple[str, ...] = ()
    ignore_index: int = 255
    scribbles: Path | None = None
    images: Path | None = None
    image_suffixes: tuple[str, ...] = IMAGE_SUFFIXES
    volumes: Path | None = None
    palette: tuple[Color, ...] = ()
    layout: Layout | None = None
    root: Path | None = None

    @classmethod
    def of_dataset(cls, layout: Layout, root: Path, masks: Path | None = None) -> "Truth":
        """Everything a dataset knows.

        Args:
            layout: Layout of the dataset.
            root: Its folder.
            masks: Folder of masks to take instead of the dataset's.

        Raises:
            DataError: There are no masks.
        """
        if masks is None and layout.masks is None:
            raise DataError(
                f"{root}: the dataset has no masks; give their folder after the predictions"
            )
        return cls(
            masks=masks or root / str(layout.masks),
            class_names=layout.class_names,
            ignore_index=layout.ignore_index,
            scribbles=root / layout.scribbles if layout.scribbles else None,
            images=root / layout.images,
            image_suffixes=layout.image_suffixes,
            volumes=root / layout.volumes if layout.volumes else None,
            palette=layout.palette,
            layout=layout,
            root=root,
        )

    def listed(self, name: str) -> list[str]:
        """Ids of a list: a file, or one of the dataset's lists.

        Raises:
            DataError: There is no such list, or it is wrong.
        """
        if self.layout is not None and self.root is not None and not Path(name).is_file():
            return self.layout.names(self.root, name)
        return read_list(Path(name))

    def find_scribbles(self, names: Sequence[str], *, required: bool) -> Mapping[str, Path] | None:
        """The scribbles of the images that have one; None if none has.

        Raises:
            DataError: None has one though scribbles were asked for.
        """
        if self.scribbles is None:
            return None
        paths = {name: self.scribbles / f"{name}.png" for name in names}
        found = {name: path for name, path in paths.items() if path.is_file()}
        if required and not found:
            raise DataError(
                f"{next(iter(paths.values()))}: no such file, and no scribble of another of the "
                f"{len(names)} images either; give the folder of the scribbles <id>.png"
            )
        return found or None

    def find_pictures(self, names: Sequence[str]) -> Mapping[str, Path]:
        """The pictures of the images; nothing where nobody knows a folder.

        Raises:
            DataError: Pictures are missing.
        """
        return find_images(self.images, names, self.image_suffixes) if self.images else {}

    def colors(self, num_classes: int) -> Sequence[Color]:
        """RGB of each class: the dataset's, or those of PASCAL VOC."""
        return self.palette if len(self.palette) == num_classes else voc_palette(num_classes)
