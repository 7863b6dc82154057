"""Boxes in the layout of PASCAL VOC 2007: a list of names, and a file of XML for each image."""

from common_fate.errors import SampleError, UserError
from common_fate.shards.limits import quoted
from pipeline.sources.archives import Tree
from pipeline.sources.trees import check_there, first_words, tree_of
from trainers.data.voc import CLASSES
from trainers.data.voc_annotations import parse_annotation
from trainers.evaluations.boxed_images.images import Boxed, Images, boxed
from trainers.evaluations.boxed_images.options import BoxedData

_KEYS = ("data.train", "data.validation")
PLANNED = 512
"""Annotations of each list that are read while Snakemake plans."""


def images(data: BoxedData, planning: bool) -> Images:
    """Lists the images of VOC. Raises as `list_images`."""
    tops = ("", "VOC2007", "VOCdevkit/VOC2007", "VOC2012", "VOCdevkit/VOC2012")
    tree = tree_of(data.path, "data", "PASCAL VOC", tops, ("Annotations",))
    train, validation = (_listed(tree, str(name), key, planning) for name, key in zip(data.sides, _KEYS, strict=True))
    return Images(tree, train, validation, CLASSES)


def _listed(tree: Tree, name: str, key: str, planning: bool) -> list[Boxed]:
    listed = f"ImageSets/Main/{name}.txt"
    if not tree.has(listed):
        raise UserError(f"{key}: there is no {listed} in data.path: which of its lists is it?")
    names = first_words(tree, listed, "data")
    if not names:
        raise UserError(f"{key}: {listed} names no image")
    for folder, suffix in (("JPEGImages", ".jpg"), ("Annotations", ".xml")):
        there = tree.files(folder)
        check_there([one + suffix for one in names], there, folder, listed, key)
    return [_read(tree, one) for one in (names[:PLANNED] if planning else names)]


def _read(tree: Tree, name: str) -> Boxed:
    file = f"Annotations/{name}.xml"
    try:
        size, objects = parse_annotation(tree.read(file) or b"")
    except (SampleError, ValueError) as error:
        raise UserError(f"data.path: {file}: {error}") from error
    for one in objects:
        if one.name not in CLASSES:
            raise UserError(f"data.path: {file}: {quoted(one.name)} is no class of VOC: is it of another data set?")
    return boxed(
        name,
        f"JPEGImages/{name}.jpg",
        [one.box for one in objects],
        [CLASSES.index(one.name) for one in objects],
        difficult=[one.difficult for one in objects],
        size=size,
    )
