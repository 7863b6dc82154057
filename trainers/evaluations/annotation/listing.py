"""Which images there are, and what is wrong with them.

Nothing here imports torch: Snakemake checks them before any job.
"""

import hashlib
import os.path
from functools import cache
from typing import Any

from common_fate.errors import UserError
from pipeline.sources.archives import Tree
from pipeline.sources.reading import is_image
from pipeline.sources.trees import tree_of
from trainers.evaluations.annotation.data import Annotated, Labelled, large, read
from trainers.evaluations.annotation.options import AnnotationData, AnnotationOptions
from trainers.evaluations.boxed_images import coco, yolo
from trainers.evaluations.boxed_images.listing import check_shapes
from trainers.evaluations.boxed_images.options import BoxedData

LOOKED_AT = 2**23
"""Pixels of images and masks that are read while Snakemake plans: a second's worth."""

CLASSES = {number: number for number in range(2**12)}  # of yolo: what they are called does not matter here


def check(options: AnnotationOptions) -> None:
    """Checks the images of an evaluation as far as takes a second or two; each data set once.

    Raises:
        UserError: see `list_images` and `read`, or all were read and none has an object that is large enough; the
            message starts with the path of a key.
    """
    _check(options.data, options.smallest)


@cache
def _check(data: AnnotationData, smallest: float) -> None:
    tree, images = list_images(data, planning=True)
    left, seen = LOOKED_AT, False
    for one in sorted(images, key=lambda one: hashlib.sha256(one.key.encode()).digest()):
        if left <= 0:
            return
        objects = read(tree, one, data)
        seen = seen or bool(large(objects, smallest))
        left -= objects.known.size
    if images and not seen:
        raise UserError(none_large(len(images), smallest))


def none_large(images: int, smallest: float) -> str:
    """Says that none of the objects of some images is large enough."""
    return f"data: on {images} images no object has {smallest:.2%} of its image: lower smallest, or check the masks"


def list_images(data: AnnotationData, planning: bool = False) -> tuple[Tree, list[Annotated]]:
    """Lists the images that have annotations, in the order of their names, and the files that they are in.

    Args:
        planning: annotations that take long to read are not read, and the list is empty.

    Raises:
        UserError: a folder, image or annotation is missing or damaged, or has boxes alone; the message starts with the
            path of a key.
    """
    try:
        tree, images = _folder(data) if data.kind == "folder" else _boxed(data, planning)
    except OSError as error:
        raise UserError(f"data.path: cannot read {error.filename!r}: {error.strerror}") from error
    except UserError as error:  # of an archive that is none, or not to be trusted, it names no key
        raise error if str(error).startswith("data.") else UserError(f"data.path: {error}") from error
    return tree, sorted(images, key=lambda one: one.key)


def _folder(data: AnnotationData) -> tuple[Tree, list[Annotated]]:
    tree = tree_of(data.path, "data", "a folder of images and masks", _tops(data), (data.images, data.masks))
    listed = list(filter(is_image, tree.files(data.images)))
    names = {os.path.splitext(name)[0]: name for name in listed}
    if len(names) < len(listed):
        raise UserError(f"data.images: two images in {data.images} differ in no more than the extension: rename one")
    if not names:
        raise UserError(f"data.images: there is no image in {data.images} of data.path")
    there = set(tree.files(data.masks))
    if without := [name for stem, name in sorted(names.items()) if f"{stem}.png" not in there]:
        more = f", and {len(without) - 1} more have none" if without[1:] else ""
        mask = f"{data.masks}/{os.path.splitext(without[0])[0]}.png"
        raise UserError(f"data.masks: {data.images}/{without[0]} has no mask {mask}{more}: add it, or remove the image")
    return tree, [Labelled(key, f"{data.images}/{name}", f"{data.masks}/{key}.png") for key, name in names.items()]


def _boxed(data: AnnotationData, planning: bool) -> tuple[Tree, list[Annotated]]:
    if data.kind == "coco":
        marks = ("annotations", data.side, f"images/{data.side}")
        tree = tree_of(data.path, "data", "COCO", ("", "coco", "coco2017"), marks)
        images, _ = coco.list_side(tree, data.side, "data.side", planning)
    else:
        # Detectors need two sides and names of classes; here there is one side, the folder, and names do not matter.
        sides: dict[str, Any] = {"train": "", "validation": "", "classes": ("object",)}
        of = BoxedData("yolo", path=data.path, images=data.images, labels=data.labels, background=False, **sides)
        tree = tree_of(data.path, "data", "a data set of YOLO", _tops(data), (data.images, data.labels))
        images = yolo.list_side(tree, of, "", "data.images", CLASSES)
    check_shapes(images)
    return tree, list(images)


def _tops(data: AnnotationData) -> tuple[str, ...]:
    """Folders that an archive may have around everything else: none, or one of its own name."""
    return "", os.path.splitext(os.path.basename(data.path.rstrip("/")))[0]
