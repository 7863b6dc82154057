"""What annotations are written as: a map of labels of one image, and COCO's JSON of all."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common_fate.errors import UserError
from common_fate.pictures.labels import PALETTE
from trainers.methods.cmp.apps.annotate import run_lengths
from trainers.methods.cmp.apps.annotator.document import Document
from trainers.methods.cmp.apps.annotator.store import Opened, Store, another_image


@dataclass(frozen=True)
class Annotated:
    """An image that was worked on, and what was drawn on it."""

    image: Opened
    document: Document


def annotated(store: Store, left_out: list[str]) -> Iterator[Annotated]:
    """Yields the images that are done or have an object with a mask; why others are left out goes to `left_out`.

    An image that nobody looked at has no annotation, which is not the same as one without objects.
    """
    for name in store.images():
        try:
            document = store.read(name)
            if document is None or not (document.done or any(mask.any() for mask in document.masks())):
                continue
            image = store.open(name)
        except UserError as error:
            left_out.append(str(error))
            continue
        if image.sha256 != document.sha256:
            left_out.append(another_image(name))
            continue
        yield Annotated(image, document)


def label_map(masks: Iterable[NDArray[np.bool_]], labels: Sequence[int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Returns the label of each pixel `(H, W)`, 0 where no mask is; of masks that overlap the last one counts."""
    found = np.zeros(size, np.uint8)
    for mask, label in zip(masks, labels, strict=True):
        found[mask] = label
    return found


def label_png(labels: NDArray[np.uint8], colours: Sequence[int]) -> bytes:
    """Returns labels `(H, W)` as a PNG with a palette.

    Args:
        colours: of the labels from 1 on, places in the palette of the page.
    """
    picture = Image.fromarray(labels, mode="P")
    places = 1 + np.array(colours, np.int64) % (len(PALETTE) - 1)  # there may be more classes than colours
    picture.putpalette(PALETTE[[0, *places]].tobytes())
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def objects_png(document: Document) -> bytes:
    """Returns a map of the objects of an image, a PNG with a palette: 1 is the first, 0 none."""
    labels = label_map(document.masks(), range(1, 1 + len(document.objects)), document.size)
    return label_png(labels, [one.colour for one in document.objects])


def coco(store: Store) -> dict[str, Any]:
    """Returns the annotations of a folder as COCO has them, with compressed run lengths.

    Objects have `iscrowd` 0, though they are run lengths, which keep holes: crowds are what evaluations ignore.
    `info.left_out` says which images are left out and why.
    """
    left_out: list[str] = []
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    classes: dict[str, int] = {}
    for number, one in enumerate(annotated(store, left_out), start=1):
        height, width = one.image.size
        images.append({"id": number, "file_name": one.image.name, "width": width, "height": height})
        for drawn, mask in zip(one.document.objects, one.document.masks(), strict=True):
            if not mask.any():
                continue
            objects.append(
                {
                    "id": len(objects) + 1,
                    "image_id": number,
                    "category_id": classes.setdefault(drawn.name, len(classes) + 1),
                    "segmentation": run_lengths(mask),
                    "bbox": _box(mask),
                    "area": int(mask.sum()),
                    "iscrowd": 0,
                }
            )
    return {
        "info": {"description": "Annotated with Common Fate", "left_out": left_out},
        "images": images,
        "annotations": objects,
        "categories": [{"id": label, "name": name} for name, label in classes.items()],
    }


def _box(mask: NDArray[np.bool_]) -> list[int]:
    """The left, the top, the width and the height of what is inside."""
    y, x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [int(x[0]), int(y[0]), int(x[-1] - x[0] + 1), int(y[-1] - y[0] + 1)]
