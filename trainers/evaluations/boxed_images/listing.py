"""Which images there are, which of them train, and what is wrong with them.

Nothing here imports torch: Snakemake checks them before any job.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from trainers.evaluations.boxed_images import coco, table, voc, yolo
from trainers.evaluations.boxed_images.images import Boxed, Images, size_of
from trainers.evaluations.boxed_images.options import BoxedData

LOOKED_AT = 8
"""Images of each side that are decoded while Snakemake plans."""

MAX_CLASSES, MAX_NAME = 2**12, 200
"""Of a data set: each has a row in a table."""

_READERS: dict[str, Callable[[BoxedData, bool], Images]] = {
    "voc": voc.images,
    "coco": coco.images,
    "yolo": yolo.images,
    "table": table.images,
}


def check(options: Any) -> None:
    """Checks the images of an evaluation as far as takes a second or two; each data set once.

    Args:
        options: of an evaluation, whose `data` are `BoxedData`.

    Raises:
        UserError: see `list_images`; or none of some images decodes. The message starts with the path of a key.
    """
    _check(options.data, masks=False)


def check_masks(options: Any) -> None:
    """Checks as `check`, and that each object has a mask."""
    _check(options.data, masks=True)


@cache
def _check(data: BoxedData, masks: bool) -> None:
    images = list_images(data, planning=True)
    for side, listed in (("train", images.train), ("validate", images.validation)):
        mixed = sorted(listed, key=lambda one: hashlib.sha256(one.key.encode()).digest())[:LOOKED_AT]
        reasons = [(one, reason) for one in mixed if isinstance(reason := size_of(images.tree, one), str)]
        if mixed and len(reasons) == len(mixed):
            one, reason = reasons[0]
            raise UserError(f"data.path: none of {len(mixed)} images to {side} on can be read: {one.image}: {reason}")
        if masks:
            check_shapes(listed)


def check_shapes(images: Sequence[Boxed]) -> None:
    """Raises `UserError` where an image has objects without masks."""
    if without := [one for one in images if len(one.shapes) < len(one.labels)]:
        raise UserError(
            f"data.path: {without[0].image} has boxes without masks: give data with polygons or runs, of kind coco or "
            "yolo"
        )


def list_images(data: BoxedData, planning: bool = False) -> Images:
    """Lists the images to train on and those that validate; none is on both sides.

    Args:
        planning: annotations that take long to read are not read, and their images are not in the lists.

    Raises:
        UserError: a folder, list, annotation or image is missing, an annotation is damaged, a class is unknown, a side
            is empty, or none to train on has an object; the message starts with the path of a key.
    """
    try:
        found = _READERS[data.kind](data, planning)
    except OSError as error:
        raise UserError(f"data.path: cannot read {error.filename!r}: {error.strerror}") from error
    except UserError as error:  # of an archive that is none, or not to be trusted, it names no key
        raise error if str(error).startswith("data.") else UserError(f"data.path: {error}") from error
    if not 0 < len(found.classes) <= MAX_CLASSES and found.train:
        raise UserError(f"data.path: it has {len(found.classes)} classes: from 1 to {MAX_CLASSES}")
    for name in found.classes:
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise UserError(f"data.path: {quoted(name)} is no name of a class")
    if both := {one.image for one in found.train} & {one.image for one in found.validation}:
        raise UserError(f"data.validation: {quoted(min(both))} is trained on, too: give lists that share no image")
    if found.train and not any(one.counted.any() for one in found.train):
        raise UserError("data.path: no image to train on has an object that counts: check the annotations")
    return found
