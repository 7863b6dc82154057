"""Images with masks: which there are, which of them train, and a dataset of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from common_fate.errors import SampleError, UserError
from common_fate.progress import progress
from common_fate.torch import Sample, Transform
from pipeline.sources.reading import is_image, read_image
from trainers.evaluations.segmentation.masks import read_mask
from trainers.evaluations.segmentation.options import SegmentationData


@dataclass(frozen=True)
class Pair:
    """An image and its mask."""

    key: str
    image: Path
    mask: Path


def list_pairs(data: SegmentationData) -> tuple[list[Pair], list[Pair]]:
    """Lists the pairs to train on and those to validate on, by key; none is on both sides.

    Raises:
        UserError: a folder, list, image or mask is missing, or a side is empty.
    """
    train, validation = _voc(data) if data.kind == "voc" else _folder(data)
    for side, pairs in (("train", train), ("validate", validation)):
        if not pairs:
            raise UserError(f"data: there is no image to {side} on: check the lists, or hold_out")
    return train, validation


def check_pairs(pairs: Sequence[Pair], data: SegmentationData) -> None:
    """Reads all masks, so that what is wrong with one is known before training and not in the middle of it.

    Raises:
        UserError: the first mask that cannot be read, has an unknown label, or is not of its image's size.
    """
    samples = MaskedImages(pairs, data)
    for index in progress(range(len(pairs)), len(pairs), "check masks"):
        samples[index]


class MaskedImages(Dataset[Any]):
    """Samples of `key`, `epoch`, `image (3, H, W)` float32 in [0, 1], and `labels (H, W)` int64.

    Labels are classes, or `IGNORED`. Reading raises `UserError` for a damaged image, or see `read_mask`.
    """

    def __init__(self, pairs: Sequence[Pair], data: SegmentationData, transform: Transform | None = None) -> None:
        self.pairs, self.data, self.transform = pairs, data, transform

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int | tuple[int, int]) -> Any:
        """The sample of an index, or of `(epoch, index)`."""
        epoch, place = index if isinstance(index, tuple) else (0, index)
        pair = self.pairs[place]
        try:
            image = read_image(str(pair.image))
        except SampleError as error:
            raise UserError(f"{pair.image}: {error}") from error
        labels = read_mask(pair.mask, self.data)
        if labels.shape != image.shape[:2]:
            sizes = [f"{shape[1]}x{shape[0]}" for shape in (labels.shape, image.shape)]
            raise UserError(f"{pair.mask}: is {sizes[0]}, and its image {pair.image.name} is {sizes[1]} pixels")
        sample: Sample = {
            "key": pair.key,
            "epoch": epoch,
            "image": torch.from_numpy(np.divide(image.transpose(2, 0, 1), np.float32(255), order="C")),
            "labels": torch.from_numpy(labels.astype(np.int64)),
        }
        return self.transform(sample) if self.transform else sample


def _voc(data: SegmentationData) -> tuple[list[Pair], list[Pair]]:
    """Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2015; SBD as in `masks`."""
    root = Path(data.path)
    lists = root / "ImageSets" / "Segmentation"
    held_out = _names(lists / "val.txt")
    validation = _in_folders(held_out, root / "JPEGImages", root / "SegmentationClass", ".png")
    names = set(_names(lists / f"{data.train_list}.txt")) - set(held_out)
    train = _in_folders(names, root / "JPEGImages", root / data.train_masks, ".png")
    if data.sbd is not None:
        more = set(_sbd_names(Path(data.sbd), data.sbd_list)) - names - set(held_out)
        train += _in_folders(more, Path(data.sbd, "img"), Path(data.sbd, "cls"), ".mat")
    return sorted(train, key=lambda pair: pair.key), validation


def _sbd_names(folder: Path, listed: str | None) -> list[str]:
    if listed is not None:
        return _names(folder / listed)
    names = [path.stem for path in (folder / "cls").glob("*.mat")]
    if not names:
        raise UserError(f"data.sbd: there is no cls/*.mat in {folder}: give the folder that has img and cls")
    return names


def _in_folders(names: Sequence[str] | set[str], images: Path, masks: Path, suffix: str) -> list[Pair]:
    pairs = [Pair(name, images / f"{name}.jpg", masks / f"{name}{suffix}") for name in sorted(names)]
    for pair in pairs:
        for path in (pair.image, pair.mask):
            if not path.is_file():
                raise UserError(f"{path}: is in the list and not on disk: is the data set whole?")
    return pairs


def _names(path: Path) -> list[str]:
    """The stems of a list's first column: `2007_000032`, or `/JPEGImages/2007_000032.jpg /SegmentationClassAug/...`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: this list of images cannot be read ({error})") from error
    # The stem alone: no path from a list is ever used as a path.
    return [Path(line.split()[0]).stem for line in lines if line.strip()]


def _folder(data: SegmentationData) -> tuple[list[Pair], list[Pair]]:
    pairs = _by_stem(Path(data.images), Path(data.masks))
    if data.validation_images is not None and data.validation_masks is not None:
        return pairs, _by_stem(Path(data.validation_images), Path(data.validation_masks))
    if data.validation_list is not None:
        held_out = set(_names(Path(data.validation_list)))
        if unknown := held_out - {pair.key for pair in pairs}:
            raise UserError(f"{data.validation_list}: there is no image {min(unknown)} in {data.images}")
    else:
        held_out = {pair.key for pair in pairs if _draw(pair.key) < data.hold_out}
    return (
        [pair for pair in pairs if pair.key not in held_out],
        [pair for pair in pairs if pair.key in held_out],
    )


def _by_stem(images: Path, masks: Path) -> list[Pair]:
    for folder in (images, masks):
        if not folder.is_dir():
            raise UserError(f"data: there is no folder {folder}")
    pairs: dict[str, Pair] = {}
    for path in sorted(path for path in images.iterdir() if is_image(path.name)):
        mask = masks / f"{path.stem}.png"
        if path.stem in pairs:
            raise UserError(
                f"{path}: there is {pairs[path.stem].image.name}, too: names should differ in more than this"
            )
        if not mask.is_file():
            raise UserError(f"{path}: has no mask {mask}: add it, or remove the image")
        pairs[path.stem] = Pair(path.stem, path, mask)
    return list(pairs.values())


def _draw(key: str) -> float:
    """A number in [0, 1) of an image's own: it does not change sides as the folder grows."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
