"""Boxes and masks in the layout of COCO: `annotations/instances_NAME.json`, and the folder NAME of images.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; https://cocodataset.org/#format-data.
"""

import os.path
from collections.abc import Mapping
from typing import Any

from common_fate.errors import SampleError, UserError
from common_fate.foreign.files import parse_json
from common_fate.shards.limits import quoted
from pipeline.sources.archives import DAMAGED, Tree
from pipeline.sources.reading import is_image
from pipeline.sources.trees import check_there, tree_of
from trainers.evaluations.boxed_images.images import Boxed, Images, boxed
from trainers.evaluations.boxed_images.options import BoxedData
from trainers.evaluations.boxed_images.shapes import parse_shape

MAX_BYTES, MAX_VALUES = 2**30, 2**27  # COCO's largest has half of either
PLANNED_BYTES = 2**25
"""Of annotations that are read while Snakemake plans: a second's worth."""
LARGEST = 2.0**20  # pixels, of a coordinate


def images(data: BoxedData, planning: bool) -> Images:
    """Lists the images of COCO. Raises as `list_images`."""
    train, validation = (str(side) for side in data.sides)
    marks = ("annotations", train, validation, f"images/{train}", f"images/{validation}")
    tree = tree_of(data.path, "data", "COCO", ("", "coco", "coco2017"), marks)
    sides = [list_side(tree, train, "data.train", planning), list_side(tree, validation, "data.validation", planning)]
    names = [classes for _, classes in sides if classes]
    if names[1:] and names[0] != names[1]:
        raise UserError("data.validation: its categories are not those that are trained on")
    return Images(tree, sides[0][0], sides[1][0], names[0] if names else ())


def list_side(tree: Tree, name: str, key: str, planning: bool) -> tuple[list[Boxed], tuple[str, ...]]:
    """Lists the images of one side, and the names of the classes.

    Args:
        name: of the folder of images.
        key: the path of the key that has the name.
        planning: as of `list_images`.

    Raises:
        UserError: as `list_images`.
    """
    file = f"annotations/instances_{name}.json"
    folder = next((one for one in (name, f"images/{name}") if any(map(is_image, tree.files(one)))), None)
    for there, what in ((tree.has(file), file), (folder, f"folder {name} of images")):
        if not there:
            raise UserError(f"{key}: there is no {what} in data.path: name all its archives by a glob, or unpack it")
    if planning and tree.state(file)[0] > PLANNED_BYTES:
        return [], ()
    return _parsed(_json(tree, file), tree, str(folder), file, key)


def _json(tree: Tree, file: str) -> Any:
    try:
        with tree.open(file) as stream:
            data = b"" if stream is None else stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES} bytes")
        if len(data) < tree.state(file)[0]:
            raise ValueError("too large to be read from a tar: unpack it, or name a zip")
        return parse_json(data, MAX_VALUES)
    except (OSError, SampleError, ValueError, *DAMAGED) as error:
        raise UserError(f"data.path: {file}: cannot be read: {error}") from error


def _parsed(facts: Any, tree: Tree, folder: str, file: str, key: str) -> tuple[list[Boxed], tuple[str, ...]]:
    where = f"data.path: {file}"
    lists: list[Any] = [
        facts.get(one) if isinstance(facts, dict) else None for one in ("images", "annotations", "categories")
    ]
    if not all(isinstance(one, list) and all(isinstance(entry, dict) for entry in one) for one in lists):
        raise UserError(f"{where}: should have lists of images, annotations and categories")
    files, annotations, categories = lists
    if not files or not categories:
        raise UserError(f"{where}: lists no image" if not files else f"{where}: lists no category")
    by_id = _by_id(categories, f"{where}: categories")
    ids = sorted(by_id)
    label = {one: place for place, one in enumerate(ids)}
    objects: dict[int, list[Mapping[str, Any]]] = {one: [] for one in _by_id(files, f"{where}: images")}
    for one in annotations:
        image, category = one.get("image_id"), one.get("category_id")
        if type(image) is not int or image not in objects:
            raise UserError(f"{where}: annotation {quoted(one.get('id'))} is of image {quoted(image)}, which is not in")
        if type(category) is not int or category not in label:
            raise UserError(f"{where}: annotation {quoted(one.get('id'))} is of category {quoted(category)}, not known")
        objects[image].append(one)
    names = [_file_name(one, where) for one in files]
    check_there(names, tree.files(folder), folder, file, key)
    if len({os.path.splitext(name)[0] for name in names}) < len(names):
        raise UserError(f"{where}: lists an image twice, or two that differ in no more than the extension")
    listed = [_image(one, objects[one["id"]], label, folder, where) for one in files]
    return listed, tuple(str(by_id[one].get("name")) for one in ids)


def _file_name(image: Mapping[str, Any], where: str) -> str:
    name = image.get("file_name")
    if not isinstance(name, str) or not name.isprintable() or not is_image(name):
        raise UserError(f"{where}: image {quoted(image['id'])} has file_name {quoted(name)}, which is none of an image")
    return name


def _by_id(entries: list[dict[str, Any]], where: str) -> dict[int, dict[str, Any]]:
    found = {entry["id"]: entry for entry in entries if type(entry.get("id")) is int}
    if len(found) < len(entries):
        raise UserError(f"{where} have no ids of their own, whole numbers")
    return found


def _image(
    image: Mapping[str, Any], objects: list[Mapping[str, Any]], label: Mapping[int, int], folder: str, where: str
) -> Boxed:
    height, width, name = image.get("height"), image.get("width"), image["file_name"]
    size = (height, width) if type(height) is int and type(width) is int else None
    boxes, shapes = [], []
    for one in objects:
        at = f"{where}: annotation {quoted(one.get('id'))}"
        x, y, wide, high = _numbers(one.get("bbox"), f"{at}: bbox")
        boxes.append((x, y, x + wide, y + high))
        if one.get("segmentation"):
            try:
                shapes.append(parse_shape(one["segmentation"]))
            except ValueError as error:
                raise UserError(f"{at}: segmentation: {error}") from error
    return boxed(
        os.path.splitext(name)[0],
        f"{folder}/{name}",
        boxes,
        [label[one["category_id"]] for one in objects],
        crowd=[one.get("iscrowd") == 1 for one in objects],
        shapes=tuple(shapes) if len(shapes) == len(objects) else (),
        size=size,
    )


def _numbers(value: Any, where: str) -> list[float]:
    if not (isinstance(value, list) and len(value) == 4 and all(type(one) in (int, float) for one in value)):
        raise UserError(f"{where} is {quoted(value)}: should be x, y, width and height")
    if max(map(abs, value)) > LARGEST:
        raise UserError(f"{where} is {quoted(value)}: beyond any image")
    return [float(one) for one in value]
