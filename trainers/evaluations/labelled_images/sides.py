"""Both sides of labelled images: what each image shows, as a number. Nothing here imports torch."""

import io
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.holdout import in_share
from common_fate.errors import SampleError, UserError
from common_fate.shards.limits import quoted
from pipeline.sources.reading import is_image, name_unread, read_image
from trainers.evaluations.labelled_images.options import LabelledData
from trainers.planning import check_held_out

_log = logging.getLogger(__name__)

Classified = Mapping[str, str]
"""The class of each image, by its name."""


class Files(Protocol):
    """Files by name, as a tree of folders or archives has them."""

    def folders(self, name: str) -> list[str]: ...

    def files(self, name: str) -> list[str]: ...

    def read(self, name: str) -> bytes | None: ...


@dataclass(frozen=True)
class Labelled:
    """The images of one side.

    Args:
        files: has them by name.
        names: sorted.
        labels: the number of the class of each, `(N,)` int64; where an image may have several, `(N, C)` int8: 1, 0, or
            -1 where it does not count.
        classes: their names.
    """

    files: Files
    names: Sequence[str]
    labels: NDArray[Any]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def image(self, row: int) -> NDArray[np.uint8]:
        """Reads an image, `(H, W, 3)`, upright.

        Raises:
            SampleError: it is not there, or see `read_image`.
        """
        data = self.files.read(self.names[row])
        if data is None:
            raise SampleError("is not there any more")
        return read_image(io.BytesIO(data))


def sides_of(
    data: LabelledData,
    train: tuple[Files, Classified],
    validation: tuple[Files, Classified],
    key: str = "path",
) -> tuple[Labelled, Labelled]:
    """Returns both sides with their classes as numbers, in the order of their names.

    Args:
        key: in `data`, what says what to train on.

    Raises:
        UserError: see `list_images`.
    """
    known = {*train[1].values(), *validation[1].values()}
    classes = tuple(sorted(known) if data.classes is None else data.classes)
    if missing := [one for one in classes if one not in known]:
        raise UserError(f"data.classes: no image is of the class {quoted(missing[0])}: is it spelt so?")
    counts = Counter(train[1].values())
    if unseen := [one for one in classes if not counts[one]]:
        more = f" (nor have {len(unseen) - 1} more)" if unseen[1:] else ""
        advice = "add some, or leave the class out by data.classes"
        raise UserError(f"data.{key}: the class {quoted(unseen[0])} has no image to train on{more}: {advice}")
    if not classes:
        raise UserError(f"data.{key}: names no image with a class: is it the right one?")
    if len(classes) < 2:
        raise UserError(f"data.{key}: all images are of one class, {quoted(classes[0])}: give at least two classes")
    sides = tuple(_numbered(files, of, classes) for files, of in (train, validation))
    if not len(sides[1]):
        raise UserError("data: no image is left to validate on: check hold_out, validation, split or classes")
    if unmeasured := set(range(len(classes))) - set(sides[1].labels.tolist()):
        _log.warning("data: no image that validates is of %s", _some([classes[one] for one in sorted(unmeasured)]))
    return sides[0], sides[1]


def held_out(data: LabelledData, of: Classified) -> tuple[Classified, Classified]:
    """Divides images by the hash of their names; see `in_share`.

    Raises:
        UserError: none are left on a side.
    """
    if of:
        check_held_out([*of], data.hold_out, "data.hold_out", "images", "add images, or say which validate")
    return (
        {name: one for name, one in of.items() if not in_share(data.hold_out, name)},
        {name: one for name, one in of.items() if in_share(data.hold_out, name)},
    )


def in_folders(tree: Files, key: str, wanted: tuple[str, ...] | None) -> Classified:
    """Returns the images of folders, one for each class, by their names.

    Args:
        key: what stands before messages.
        wanted: these classes alone; None: all.

    Raises:
        UserError: there is no folder, or one of them has no image.
    """
    found: dict[str, str] = {}
    if not (folders := tree.folders("")):
        raise UserError(f"{key}: has no folder of images for each class: is it the right one?")
    for folder in folders if wanted is None else [one for one in folders if one in wanted]:
        files = tree.files(folder)
        name_unread(files, f"{key}: {folder}")
        images = [file for file in files if is_image(file)]
        if not images:
            raise UserError(f"{key}: the folder of the class {quoted(folder)} has no image: add some, or remove it")
        found |= {f"{folder}/{file}": folder for file in images}
    return found


def _numbered(files: Files, of: Classified, classes: tuple[str, ...]) -> Labelled:
    numbers = {one: number for number, one in enumerate(classes)}
    names = sorted(name for name, one in of.items() if one in numbers)
    return Labelled(files, names, np.array([numbers[of[name]] for name in names], np.int64), classes)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if names[8:] else "")
