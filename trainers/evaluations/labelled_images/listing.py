"""Labelled images on disk: which there are on either side, and what is wrong with them.

Nothing here imports torch: Snakemake checks them before any job.
"""

import logging
import random
from collections.abc import Callable
from functools import cache
from typing import Any

from common_fate.errors import SampleError, UserError, printable
from trainers.evaluations.labelled_images.folders import list_folders
from trainers.evaluations.labelled_images.imagenet import list_imagenet, small_part
from trainers.evaluations.labelled_images.options import LabelledData
from trainers.evaluations.labelled_images.sides import Labelled
from trainers.evaluations.labelled_images.table import list_table
from trainers.evaluations.labelled_images.voc import list_voc

LOOKED_AT = 2**24
"""Pixels of each side's images that are decoded while Snakemake plans: a second's worth."""
_MOST_LOOKED_AT = 256  # images
_LISTS: dict[str, Callable[[LabelledData], tuple[Labelled, Labelled]]] = {
    "folder": list_folders,
    "table": list_table,
    "imagenet": list_imagenet,
    "voc": list_voc,
}
_log = logging.getLogger(__name__)


def list_images(data: LabelledData) -> tuple[Labelled, Labelled]:
    """Lists the images to train on, and those that validate.

    Raises:
        UserError: a folder, list, table or image is missing, a class has no image to train on, or a side is empty; the
            message starts with the path of a key.
    """
    try:
        return _LISTS[data.kind](data)
    except OSError as error:
        raise UserError(f"data.path: {error.filename or data.path}: cannot be read: {error.strerror}") from error
    except UserError as error:  # of an archive that is damaged, or not to be trusted, it names no key
        raise error if str(error).startswith("data") else UserError(f"data.path: {error}") from error


def check(options: Any) -> None:
    """Checks the images of an evaluation as far as takes a second or two; each data set once.

    Args:
        options: of an evaluation, whose `data` are `LabelledData`.

    Raises:
        UserError: see `list_images`, or most of the images that were looked at cannot be read; the message starts with
            the path of a key.
    """
    _check(options.data)


@cache
def _check(data: LabelledData) -> None:
    train, validation = list_images(small_part(data))
    look_at(train, "train")
    look_at(validation, "validate")


def look_at(images: Labelled, side: str) -> None:
    """Decodes some images, spread at random; names in the log those that cannot be read.

    Raises:
        UserError: they are most of them.
    """
    left, seen, bad = LOOKED_AT, 0, []
    for row in random.Random(0).sample(range(len(images)), min(len(images), _MOST_LOOKED_AT)):
        if left <= 0:
            break
        seen += 1
        try:
            left -= images.image(row).size // 3
        except SampleError as error:
            bad.append(f"{images.names[row]}: {error}")
    if not bad:
        return
    said = f"of {seen} images to {side} on that were looked at, {len(bad)} cannot be read, such as {printable(bad[0])}"
    if 2 * len(bad) > seen:
        raise UserError(f"data.path: {said}: is this the right data, and whole?")
    _log.warning("data: %s: such images are left out", said)
