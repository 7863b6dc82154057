"""ImageNet (ILSVRC 2012) as it is unpacked, or in its tars. Nothing here imports torch.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from common_fate.errors import UserError
from common_fate.foreign.files import read_file
from common_fate.shards.limits import quoted
from pipeline.sources.archives import Tree
from pipeline.sources.listing import text_of
from pipeline.sources.mat_files import read_variables
from pipeline.sources.reading import is_image
from pipeline.sources.rows import read_rows
from trainers.evaluations.labelled_images.nested_tar import NestedTar
from trainers.evaluations.labelled_images.options import LabelledData, archive_of
from trainers.evaluations.labelled_images.sides import Classified, Files, Labelled, in_folders, sides_of

TRAIN_TAR, VAL_TAR = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT, SOLUTION = "ILSVRC2012_devkit_t12", "LOC_val_solution.csv"
_TRUTH, _META = "data/ILSVRC2012_validation_ground_truth.txt", "data/meta.mat"
_TOPS = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC")
_MOST_BYTES = 2**24  # of a list
_LOOKED_INTO = 4  # tars of classes, while Snakemake plans: their headers lie far apart


def list_imagenet(data: LabelledData) -> tuple[Labelled, Labelled]:
    """Lists the images of ImageNet's classes; see `list_images`. Classes are WordNet's ids, as its folders are called.

    Training images lie in `train/n01440764` and so on, or in the tar of tars; those that validate in `val/n01440764`,
    or without folders in `val` or the tar, and the ground truth has their classes.
    """
    train = _train(data)
    found = in_folders(train, f"data.path: {data.path}", data.classes)
    return sides_of(data, (train, found), _validation(data))


def small_part(data: LabelledData) -> LabelledData:
    """Returns what of the data can be looked at in a second: of a tar of tars, a few classes."""
    if data.kind != "imagenet" or data.classes is not None:
        return data
    train = _train(data)
    if not isinstance(train, NestedTar) or len(train.folders()) <= _LOOKED_INTO:
        return data
    return replace(data, classes=tuple(train.folders()[:_LOOKED_INTO]))


def _tree(path: str, folder: str) -> Tree | None:
    """What lies in a folder of the data set, with or without the folders that Kaggle has around it."""
    root, inside = archive_of(path)
    for top in _TOPS:
        at = "/".join(part for part in (inside, top, folder) if part)
        tree = Tree(((root, at),))
        if tree.folders("") or tree.files(""):
            return tree
    return None


def _train(data: LabelledData) -> Files:
    if tree := _tree(data.path, "train"):
        return tree
    tar = os.path.join(data.path, TRAIN_TAR)
    if os.path.isfile(tar):
        return NestedTar(tar)
    raise UserError(f"data.path: {data.path} has neither a folder train nor {TRAIN_TAR}: is this ImageNet?")


def _validation(data: LabelledData) -> tuple[Files, Classified]:
    tar = os.path.join(data.path, VAL_TAR)
    tree = _tree(data.path, "val") or (Tree(((tar, ""),)) if os.path.isfile(tar) else None)
    if tree is None:
        raise UserError(f"data.path: {data.path} has neither a folder val nor {VAL_TAR}: is this ImageNet?")
    if tree.folders(""):
        return tree, in_folders(tree, f"data.path: {data.path}: val", data.classes)
    truth = _ground_truth(data)
    found = {}
    for file in filter(is_image, tree.files("")):
        stem = file.partition(".")[0]
        if stem not in truth:
            raise UserError(f"data.ground_truth: has no class of {quoted(file)}: is it of these images?")
        found[file] = truth[stem]
    return tree, found


def _ground_truth(data: LabelledData) -> Mapping[str, str]:
    """The class of each image that validates, by its name without an ending."""
    places = [Path(data.ground_truth)] if data.ground_truth else [Path(data.path, name) for name in (DEVKIT, SOLUTION)]
    place = next((one for one in places if one.exists()), None)
    if place is None:
        raise UserError(
            f"data.ground_truth is missing: the images of val have no folders; give {DEVKIT}, unpacked, or {SOLUTION}"
        )
    try:
        return _of_devkit(place) if place.is_dir() else _of_solution(place)
    except UserError as error:
        raise UserError(f"data.ground_truth: {error}") from error
    except Exception as error:  # whatever else than the truth is in them
        raise UserError(f"data.ground_truth: {place}: cannot be read: {error}") from error


def _of_devkit(folder: Path) -> dict[str, str]:
    """Numbers of classes, a line an image, and which WordNet id each number is."""
    synsets = read_variables(folder / _META, _MOST_BYTES)["synsets"]
    ids = {int(one["ILSVRC2012_ID"].item()): str(one["WNID"].item()) for one in synsets.ravel()}
    numbers = text_of(read_file(folder / _TRUTH, _MOST_BYTES)).split()
    return {f"ILSVRC2012_val_{row:08d}": ids[int(number)] for row, number in enumerate(numbers, 1)}


def _of_solution(file: Path) -> dict[str, str]:
    """Kaggle's table: an image, and a WordNet id with a box for each object, all of one class."""
    rows = (row for _, row in read_rows(file, needed=["ImageId", "PredictionString"]))
    return {row["ImageId"]: row["PredictionString"].split()[0] for row in rows}
