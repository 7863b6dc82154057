"""Boxes or polygons as YOLO has them: a text file beside each image, a line an object, in shares of the image."""

import math
import os.path
from collections.abc import Mapping

import numpy as np
import yaml

from common_fate.errors import SampleError, UserError
from common_fate.shards.limits import quoted
from pipeline.sources.archives import Tree
from pipeline.sources.listing import text_of
from pipeline.sources.reading import is_image
from pipeline.sources.trees import tree_of
from trainers.evaluations.boxed_images.images import Boxed, Images, boxed, held_out
from trainers.evaluations.boxed_images.options import BoxedData
from trainers.evaluations.boxed_images.shapes import Polygons

MAX_LABELS_BYTES = 2**22
MAX_NAMES_BYTES = 2**20
FURTHEST = 100.0  # shares of the image: beyond that, numbers are pixels, or something else


def images(data: BoxedData, planning: bool) -> Images:
    """Lists the images that have files of labels, or none: those have no object. Raises as `list_images`."""
    tops = ("", os.path.splitext(os.path.basename(data.path.rstrip("/")))[0])
    tree = tree_of(data.path, "data", "a data set of YOLO", tops, (data.images, data.labels))
    names = dict(enumerate(data.classes)) or _names(tree, data.names)
    labels = {number: label for label, number in enumerate(sorted(names))}
    if data.hold_out:
        train, validation = held_out(list_side(tree, data, "", "data.images", labels), data)
    else:
        train, validation = (
            list_side(tree, data, str(side), key, labels)
            for side, key in zip(data.sides, ("data.train", "data.validation"), strict=True)
        )
    return Images(tree, train, validation, tuple(names[number] for number in labels))


def _names(tree: Tree, file: str) -> dict[int, str]:
    try:
        data = tree.read(file)
        if data is None:
            raise ValueError("there is no such file in data.path")
        if len(data) > MAX_NAMES_BYTES:
            raise ValueError(f"larger than {MAX_NAMES_BYTES} bytes")
        # What stands once and is meant often could unfold to any size.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(data)):
            raise ValueError("has aliases (*name): write out what they mean")
        facts = yaml.safe_load(data)
    except (SampleError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise UserError(f"data.names: {file}: {str(error).splitlines()[0]}") from error
    names = (facts.get("names") or facts.get("classes")) if isinstance(facts, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or not all(type(number) is int for number in names):
        raise UserError(f"data.names: {file}: has no names or classes, a list or by number")
    return {number: str(name) for number, name in names.items()}


def list_side(tree: Tree, data: BoxedData, side: str, key: str, labels: Mapping[int, int]) -> list[Boxed]:
    """Lists the images of one side.

    Args:
        side: a folder in that of the images and that of the text files; nothing: these themselves.
        key: the path of the key that has it.
        labels: of the classes' numbers in the files.

    Raises:
        UserError: as `list_images`.
    """
    folder, files = (f"{base}/{side}".strip("/") for base in (data.images, data.labels))
    names = list(filter(is_image, tree.files(folder)))
    there = set(tree.files(files))
    if not names:
        raise UserError(f"{key}: there is no image in {folder} of data.path")
    if not any(f"{os.path.splitext(name)[0]}.txt" in there for name in names):
        raise UserError(f"data.labels: there is no text file in {files} of any image in {folder}")
    if not data.background:
        names = [name for name in names if f"{os.path.splitext(name)[0]}.txt" in there]
    listed = []
    for name in names:
        stem = os.path.splitext(name)[0]
        file = f"{files}/{stem}.txt"
        lines = _lines(tree, file) if f"{stem}.txt" in there else []
        try:
            listed.append(_image(stem, f"{folder}/{name}", lines, labels))
        except ValueError as error:
            raise UserError(f"data.labels: {file}: {error}") from error
    if len({one.key for one in listed}) < len(listed):
        raise UserError(f"data.images: two images in {folder} differ in no more than the extension: rename one")
    return listed


def _lines(tree: Tree, file: str) -> list[list[str]]:
    try:
        data = tree.read(file) or b""
        if len(data) > MAX_LABELS_BYTES:
            raise ValueError(f"larger than {MAX_LABELS_BYTES} bytes")
        return [line.split() for line in text_of(data).splitlines() if line.strip()]
    except (SampleError, ValueError) as error:
        raise UserError(f"data.labels: {file}: {error}") from error


def _image(key: str, image: str, lines: list[list[str]], known: Mapping[int, int]) -> Boxed:
    boxes, labels, shapes = [], [], []
    for number, (word, *words) in enumerate(lines, 1):
        if not word.isascii() or not word.isdigit() or int(word[:9]) not in known:
            raise ValueError(f"line {number}: class {quoted(word)} has no name: check data.classes or data.names")
        values = _numbers(words, number)
        if len(values) == 4:
            x, y, wide, high = values
            boxes.append((x - wide / 2, y - high / 2, x + wide / 2, y + high / 2))
        else:
            corners: Polygons = (np.array(values, np.float32).reshape(-1, 2),)
            boxes.append((*corners[0].min(axis=0).tolist(), *corners[0].max(axis=0).tolist()))
            shapes.append(corners)
        labels.append(known[int(word[:9])])
    return boxed(key, image, boxes, labels, shapes=tuple(shapes) if len(shapes) == len(labels) else (), relative=True)


def _numbers(words: list[str], line: int) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) < 4 or len(values) == 5 or len(values) % 2:
        raise ValueError(f"line {line}: should be a class and cx cy w h, or three corners x y and more")
    if not all(math.isfinite(value) and abs(value) <= FURTHEST for value in values):
        raise ValueError(f"line {line}: its numbers are no shares of an image's sides")
    return values
