"""Boxes in one CSV file with columns file, class, x0, y0, x1, y1: edges in pixels. Other columns are left alone."""

import csv
import math
import os.path

from common_fate.errors import SampleError, UserError
from common_fate.shards.limits import quoted
from pipeline.sources.archives import Tree
from pipeline.sources.listing import text_of
from pipeline.sources.trees import check_there, tree_of
from trainers.evaluations.boxed_images.coco import LARGEST
from trainers.evaluations.boxed_images.images import Images, boxed, held_out
from trainers.evaluations.boxed_images.options import BoxedData

EDGES = ("x0", "y0", "x1", "y1")


def images(data: BoxedData, planning: bool) -> Images:
    """Lists the images that a table names. Raises as `list_images`."""
    tops = ("", os.path.splitext(os.path.basename(data.path.rstrip("/")))[0])
    tree = tree_of(data.path, "data", "the data set of a table", tops, (data.images,))
    objects: dict[str, list[tuple[str, list[float]]]] = {}
    for number, row in enumerate(_rows(tree, data.table), 2):
        at = f"data.table: {data.table}: line {number}"
        there = objects.setdefault(row["file"] or "", [])
        if row["class"]:
            there.append((row["class"], [_edge(row[edge], f"{at}: {edge}") for edge in EDGES]))
    check_there(objects, tree.files(data.images), data.images, data.table, "data.table")
    classes = tuple(sorted({name for each in objects.values() for name, _ in each}))
    if not classes:
        raise UserError(f"data.table: {data.table}: no row has a class: which objects are there?")
    label = {name: place for place, name in enumerate(classes)}
    listed = [
        boxed(file, f"{data.images}/{file}", [box for _, box in each], [label[name] for name, _ in each])
        for file, each in objects.items()
    ]
    return Images(tree, *held_out(listed, data), classes)


def _rows(tree: Tree, file: str) -> list[dict[str, str]]:
    try:
        data = tree.read(file)
        if data is None:
            raise ValueError("there is no such file in data.path")
        reader = csv.DictReader(text_of(data).splitlines())
        if lacking := [name for name in ("file", "class", *EDGES) if name not in (reader.fieldnames or ())]:
            raise ValueError(f"has no column {lacking[0]}: should have file, class, {', '.join(EDGES)}")
        return list(reader)
    except (SampleError, ValueError, csv.Error) as error:
        raise UserError(f"data.table: {file}: {error}") from error


def _edge(text: str | None, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:
        raise UserError(f"{where} is {quoted(text)}: should be a number of pixels")
    return value
