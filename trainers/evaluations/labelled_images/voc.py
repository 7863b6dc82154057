"""PASCAL VOC's images with all their classes. Nothing here imports torch."""

import logging

from common_fate.errors import UserError
from trainers.data.voc import CLASSES, image_files, listed_labels, voc_tree
from trainers.evaluations.labelled_images.options import LabelledData
from trainers.evaluations.labelled_images.sides import Labelled

_log = logging.getLogger(__name__)


def list_voc(data: LabelledData) -> tuple[Labelled, Labelled]:
    """Lists the images of two sets of VOC; see `list_images`."""
    train = _listed(data.path, data.train_list, "path", "train_list")
    held_out = "path" if data.validation is None else "validation"
    validation = _listed(data.validation or data.path, data.validation_list, held_out, "validation_list")
    if both := set(train.names) & set(validation.names):
        raise UserError(
            f"data.validation_list: {len(both)} images of {data.validation_list}, such as {min(both)}, are in "
            f"{data.train_list} as well, which is trained on: validate on others, or train on fewer"
        )
    if unseen := [one for one, seen in zip(CLASSES, (train.labels == 1).any(axis=0), strict=True) if not seen]:
        _log.warning("data: no image to train on has %s, which so is not learnt", ", ".join(unseen))
    return train, validation


def _listed(path: str, name: str, key: str, list_key: str) -> Labelled:
    tree = voc_tree(path, "data")
    images, labels = listed_labels(tree, name, f"data.{list_key}")
    return Labelled(tree, image_files(tree, images, f"data.{key}"), labels, CLASSES)
