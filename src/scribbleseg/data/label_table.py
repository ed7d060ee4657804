"""What a set of label images holds, as a table and as plain values."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from scribbleseg.annotation.audit import LabelAudit

__all__ = ["label_counts", "label_table"]


def label_counts(audit: LabelAudit, class_names: Sequence[str]) -> dict[str, Any]:
    """Pictures, pixels of each class and sizes as plain values for JSON."""
    return {
        "images": audit.images,
        "labelled_fraction": audit.labelled_fraction,
        "pixels": dict(zip(class_names, audit.pixels.tolist(), strict=True)),
        "images_with": dict(zip(class_names, audit.images_with.tolist(), strict=True)),
        "sizes": {f"{width}x{height}": n for (height, width), n in audit.sizes.items()},
    }


def label_table(
    title: str,
    class_names: Sequence[str],
    audits: Mapping[str, LabelAudit],
    caption: str | None = None,
) -> Table:
    """Pictures, pixels and share of each class.

    Args:
        title: Begin of the line above the table; the sizes follow.
        class_names: Names of the classes.
        audits: What was counted, by the heading of its columns.
        caption: Line below the table.
    """
    sizes = next(iter(audits.values())).sizes if audits else {}
    table = Table(title=f"{title}, {_sizes(sizes)}", caption=caption)
    table.add_column("class", no_wrap=True)
    for name in audits:
        for column in (f"{name}\nimages", "\npixels", "\nshare"):
            table.add_column(column, justify="right", no_wrap=True)
    for index, class_name in enumerate(class_names):
        cells = []
        for audit in audits.values():
            pixels = int(audit.pixels[index])
            share = pixels / max(int(audit.pixels.sum()), 1)
            cells += [str(audit.images_with[index]), _short(pixels), f"{share:.1%}"]
        table.add_row(class_name, *cells)
    table.add_section()
    totals = []
    for audit in audits.values():
        labelled = int(audit.pixels.sum())
        totals += [str(audit.images), _short(labelled), f"{audit.labelled_fraction:.1%}"]
    table.add_row("labelled", *totals)
    return table


def _short(count: int) -> str:
    """A count in three digits.

    >>> _short(20_076_812)
    '20.1 M'
    """
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


def _sizes(sizes: Mapping[tuple[int, int], int]) -> str:
    if not sizes:
        return "no labels"
    if len(sizes) == 1:
        ((height, width),) = sizes
        return f"{width} x {height}"
    heights, widths = zip(*sizes, strict=True)
    return (
        f"{len(sizes)} sizes, {min(widths)} to {max(widths)} wide, {min(heights)} to "
        f"{max(heights)} high"
    )
