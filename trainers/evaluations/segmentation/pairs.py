"""Images and their masks on disk: which there are, which of them train, and what is wrong with them.

Nothing here imports torch: Snakemake checks them before any job.
"""

import hashlib
import logging
import os.path
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.holdout import in_share
from common_fate.errors import SampleError, UserError
from pipeline.sources.listing import images_by_stem, text_of
from pipeline.sources.reading import check_beside
from trainers.evaluations.segmentation.files import File, opened
from trainers.evaluations.segmentation.masks import read_mask
from trainers.evaluations.segmentation.options import IGNORED, SegmentationData
from trainers.evaluations.segmentation.people import LAYOUTS, people
from trainers.planning import check_held_out

LOOKED_AT = 2**24
"""Pixels of each side's masks that are read while Snakemake plans: a second's worth."""

Side = Literal["train", "validate"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """An image and its mask."""

    key: str
    image: File
    mask: File


def check(options: Any) -> None:
    """Checks the images and masks of an evaluation as far as takes a second or two; each data set once.

    Args:
        options: of an evaluation, whose `data` are `SegmentationData`.

    Raises:
        UserError: see `list_pairs` and `check_pairs`; the message starts with the path of a key.
    """
    _check(options.data)


@cache
def _check(data: SegmentationData) -> None:
    train, validation = list_pairs(data)
    check_pairs({"train": _mixed(train), "validate": _mixed(validation)}, data, LOOKED_AT)


def _mixed(pairs: Sequence[Pair]) -> list[Pair]:
    """In an order that has nothing to do with their names, which may follow the classes."""
    return sorted(pairs, key=lambda pair: hashlib.sha256(pair.key.encode()).digest())


def list_pairs(data: SegmentationData) -> tuple[list[Pair], list[Pair]]:
    """Lists the pairs to train on and those to validate on, by key; none is on both sides.

    Raises:
        UserError: a folder, list, image or mask is missing, or a side is empty; the message starts with the key's path.
    """
    if data.kind in LAYOUTS:
        train, validation = ([Pair(*found) for found in half] for half in people(data))
        return train, validation
    return _voc(data) if data.kind == "voc" else _folder(data)


def check_pairs(sides: Mapping[Side, Iterable[Pair]], data: SegmentationData, pixels: float = np.inf) -> list[str]:
    """Reads pairs and returns the classes that no mask to train on has, where all of those were read.

    Without a bound all are read, so that what is wrong is known before training and not in the middle of it.

    Args:
        sides: the pairs to train on and those to validate on.
        pixels: of each side's masks to read, about; more where those read so far have a single class.

    Raises:
        UserError: an image or a mask cannot be read, a mask has an unknown label, is not of its image's size or may lie
            otherwise than its image, or the masks of a side have a single class or none.
    """
    missing: list[str] = []
    for side, pairs in sides.items():
        seen: set[int] = set()
        left, whole = pixels, True
        for pair in pairs:
            if left <= 0 and len(seen - {IGNORED}) > 1:
                whole = False
                break
            labels = check_pair(pair, data)
            seen.update(np.unique(labels).tolist())
            left -= labels.size
        if len(seen - {IGNORED}) < 2:
            raise UserError(_too_few_classes(side, seen, data))
        if side == "train" and whole:
            missing = [name for label, name in enumerate(data.names) if label not in seen]
    if missing:
        _log.warning("data: no mask to train on has %s, which so is not learnt", " or ".join(missing))
    return missing


def check_pair(pair: Pair, data: SegmentationData) -> NDArray[np.uint8]:
    """Returns the labels of a pair's mask, `(H, W)`, see `read_mask`.

    Raises:
        UserError: see `read_mask`, or the mask is not of its image's size, or an EXIF tag turns the image and nothing
            says whether the mask was drawn on what is shown.
    """
    try:
        labels = read_mask(pair.mask, data)
        check_beside(opened(pair.image), labels.shape, f"the mask {pair.mask.name}")
    except SampleError as error:
        raise UserError(f"data: {pair.image}: {error}") from error
    except UserError as error:
        raise UserError(f"data: {error}") from error
    return labels


def _too_few_classes(side: Side, seen: set[int], data: SegmentationData) -> str:
    found = [data.names[label] for label in seen - {IGNORED}]
    if not found:
        return f"data: in the masks to {side} on, all pixels are ignored: check data.ignore"
    advice = "are these the right masks?"
    if IGNORED in seen:
        ignored = " or ".join(map(str, data.ignored))
        other = next(label for label in range(len(data.names)) if label not in seen)
        advice = f"their other pixels are {ignored}, which is ignored: store what is {data.names[other]} as {other}"
    return f"data: the masks to {side} on have no class but {found[0]}, so there is nothing to tell apart: {advice}"


def _voc(data: SegmentationData) -> tuple[list[Pair], list[Pair]]:
    """Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2015; SBD as in `masks`."""
    root = Path(data.path)
    lists, images = root / "ImageSets" / "Segmentation", root / "JPEGImages"
    held_out = _names(lists / "val.txt", "data.path")
    validation = _in_folders(held_out, images, root / "SegmentationClass", ".png", "data.path")
    names = set(_names(lists / f"{data.train_list}.txt", "data.train_list")) - set(held_out)
    train = _in_folders(names, images, root / data.train_masks, ".png", "data.train_masks")
    if data.sbd is not None:
        more = set(_sbd_names(Path(data.sbd), data.sbd_list)) - names - set(held_out)
        train += _in_folders(more, Path(data.sbd, "img"), Path(data.sbd, "cls"), ".mat", "data.sbd")
    for side, key, pairs in (("train", "train_list", train), ("validate", "path", validation)):
        if not pairs:
            raise UserError(f"data.{key}: there is no image to {side} on: check the lists in {lists}")
    return sorted(train, key=lambda pair: pair.key), validation


def _sbd_names(folder: Path, listed: str | None) -> list[str]:
    if listed is not None:
        return _names(folder / listed, "data.sbd_list")
    names = [path.stem for path in (folder / "cls").glob("*.mat")]
    if not names:
        raise UserError(f"data.sbd: there is no cls/*.mat in {folder}: give the folder that has img and cls")
    return names


def _in_folders(names: Iterable[str], images: Path, masks: Path, suffix: str, key: str) -> list[Pair]:
    found = [(name, images / f"{name}.jpg", masks / f"{name}{suffix}") for name in sorted(names)]
    for _, *files in found:
        for path in files:
            if not path.is_file():
                raise UserError(f"{key}: {path}: is in the list and not on disk: is the data set whole?")
    return [Pair(*one) for one in found]


def _names(path: Path, key: str) -> list[str]:
    """The stems of a list's first column: `2007_000032`, or `/JPEGImages/2007_000032.jpg /SegmentationClassAug/...`."""
    try:
        lines = text_of(path.read_bytes()).splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{key}: {path}: this list of images cannot be read ({error})") from error
    # The stem alone: no path from a list is ever used as a path.
    return [Path(line.split()[0]).stem for line in lines if line.strip()]


def _folder(data: SegmentationData) -> tuple[list[Pair], list[Pair]]:
    pairs = _by_stem(data.images, data.masks)
    if data.validation_images is not None and data.validation_masks is not None:
        return pairs, _by_stem(data.validation_images, data.validation_masks, "validation_")
    keys = [pair.key for pair in pairs]
    if data.validation_list is not None:
        held_out = set(_names(Path(data.validation_list), "data.validation_list"))
        if unknown := held_out - set(keys):
            raise UserError(
                f"data.validation_list: {data.validation_list}: there is no image {min(unknown)} in {data.images}"
            )
        if len(held_out) in (0, len(keys)):
            left, side = ("no", "validate") if not held_out else ("every", "train")
            raise UserError(
                f"data.validation_list: {data.validation_list} names {left} image: nothing is left to {side} on"
            )
    else:
        advice = "add images, or say by validation_list or validation_images which validate"
        check_held_out(keys, data.hold_out, "data.hold_out", "images", advice)
        held_out = {key for key in keys if in_share(data.hold_out, key)}
    return (
        [pair for pair in pairs if pair.key not in held_out],
        [pair for pair in pairs if pair.key in held_out],
    )


def _by_stem(images: str, masks: str, prefix: str = "") -> list[Pair]:
    if not os.path.isdir(masks):
        raise UserError(f"data.{prefix}masks {masks!r}: there is no such folder")
    found = images_by_stem(Path(images), f"data.{prefix}images {images!r}")
    beside = {key: Path(masks, f"{key}.png") for key in found}
    without = [key for key, mask in beside.items() if not mask.is_file()]
    if without:
        image, mask = found[without[0]], beside[without[0]]
        more = f", and {len(without) - 1} more have none" if without[1:] else ""
        raise UserError(f"data.{prefix}masks: {image} has no mask {mask}{more}: add it, or remove the image")
    return [Pair(key, image, beside[key]) for key, image in found.items()]
