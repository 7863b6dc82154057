"""Labelled images in a folder for each class. Nothing here imports torch."""

from common_fate.errors import UserError
from pipeline.sources.archives import Tree
from trainers.evaluations.labelled_images.options import LabelledData, archive_of
from trainers.evaluations.labelled_images.sides import Classified, Labelled, held_out, in_folders, sides_of


def list_folders(data: LabelledData) -> tuple[Labelled, Labelled]:
    """Lists the images of one folder of classes, or of two; see `list_images`."""
    tree, every = _of_classes(data, data.path, "data.path")
    if data.validation is None:
        train, validation = held_out(data, every)
        return sides_of(data, (tree, train), (tree, validation))
    if archive_of(data.validation) == archive_of(data.path):
        raise UserError(f"data.validation: {data.validation} is what is trained on: give others, or hold_out")
    other, validating = _of_classes(data, data.validation, "data.validation")
    return sides_of(data, (tree, every), (other, validating))


def _of_classes(data: LabelledData, path: str, key: str) -> tuple[Tree, Classified]:
    tree = Tree((archive_of(path),))
    return tree, in_folders(tree, f"{key}: {path}", data.classes)
