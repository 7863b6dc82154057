"""Labelled images of a table with a row an image. Nothing here imports torch."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.sources.archives import Tree
from pipeline.sources.reading import is_image
from pipeline.sources.rows import read_rows
from trainers.evaluations.labelled_images.options import LabelledData, archive_of
from trainers.evaluations.labelled_images.sides import Labelled, held_out, sides_of

_SIDES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}


def list_table(data: LabelledData) -> tuple[Labelled, Labelled]:
    """Lists the images that a table names; see `list_images`.

    Where the column `split` has another word than those of the two sides, such as `test`, the image is on none.
    """
    tree = Tree((archive_of(data.path),))
    classes, splits = _rows(data, tree)
    if data.split is None:
        train, validation = held_out(data, classes)
    else:
        train, validation = (
            {name: one for name, one in classes.items() if splits[name] == side} for side in ("train", "val")
        )
        for side, found in (("train", train), ("val", validation)):
            if not found:
                raise UserError(f"data.split: no row of {data.table} has {side} in its column {quoted(data.split)}")
    return sides_of(data, (tree, train), (tree, validation), "table")


def _rows(data: LabelledData, tree: Tree) -> tuple[dict[str, str], dict[str, str | None]]:
    """The class of each image, and its side, by its name in the tree."""
    where, path = f"data.table: {data.table}", Path(data.table)
    columns = [("file_column", data.file_column), ("class_column", data.class_column)]
    columns += [("split", data.split)] if data.split is not None else []
    found = cache(lambda folder: _found(tree, folder))
    classes: dict[str, str] = {}
    splits: dict[str, str | None] = {}
    try:
        for number, row in read_rows(path, needed=[name for _, name in columns]):
            for key, column in columns:
                if column not in row:
                    there = ", ".join(map(quoted, row))
                    raise UserError(f"data.{key}: {data.table} has no column {quoted(column)}: it has {there}")
            word, one = row[data.file_column], row[data.class_column]
            folder, _, file = word.rpartition("/")
            if not word or not one:
                raise UserError(
                    f"{where}: row {number} has no {'class' if word else 'file'}: fill it in, or leave it out"
                )
            name = found(folder).get(file)
            if name is None:
                raise UserError(f"{where}: row {number}: there is no image {quoted(word)} in {data.path}")
            if classes.setdefault(name, one) != one:
                raise UserError(f"{where}: row {number}: {quoted(word)} is of two classes: leave a row out")
            splits[name] = _SIDES.get(row[data.split].strip().lower()) if data.split is not None else None
    except (OSError, ValueError) as error:
        raise UserError(f"{where}: cannot be read: {error}") from error
    return classes, splits


def _found(tree: Tree, folder: str) -> Mapping[str, str]:
    """The images of a folder by their names, and without their endings where that tells one. No other is looked for."""
    if folder.startswith("/") or {"", ".", ".."} & set(folder.split("/") if folder else ()):
        return {}
    there = {file: f"{folder}/{file}" if folder else file for file in tree.files(folder) if is_image(file)}
    stems: dict[str, list[str]] = {}
    for file, name in there.items():
        stems.setdefault(os.path.splitext(file)[0], []).append(name)
    return {stem: names[0] for stem, names in stems.items() if len(names) == 1} | there
