"""Annotations as the segmentation evaluation reads them: images, and masks of the same names with a class a pixel."""

import io
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import yaml

from common_fate.errors import SampleError, UserError
from common_fate.foreign.files import parse_json, read_file
from common_fate.shards.files import write_atomic
from pipeline.sources.reading import read_image, upright_size
from trainers.methods.cmp.apps.annotator.exports import Annotated, annotated, label_map, label_png
from trainers.methods.cmp.apps.annotator.store import Opened, Store

BACKGROUND = "background"
FOLDER = "segmentation"
_FILES = "files.json"
_MOST_BYTES = 2**26  # of that
_MOST_CLASSES = 255  # with the background; 255 is the label of pixels that do not count


def write_layout(store: Store) -> dict[str, Any]:
    """Writes `images/`, `masks/` and `data.yaml`, what a config says of them, to a folder beside the annotations.

    Of what is there, only what an earlier call wrote is deleted. The images are copies, since each of their folder
    needs a mask; those that an EXIF tag turns are stored upright, as their masks lie.

    Returns:
        `folder`, `config`, the number of `images`, and `left_out`: what is not there, and why.

    Raises:
        UserError: nothing is annotated, there are too many classes, a link leads out, or it cannot be written.
    """
    folder = store.folder / FOLDER
    for place in (_FILES, "data.yaml", "images", "masks"):
        store.inside(folder / place)
    left_out: list[str] = []
    names = _classes(annotated(store, left_out))
    before, written = _written(folder), set[str]()
    stems: set[str] = set()
    for one in annotated(store, []):
        stem = os.path.splitext(one.image.name)[0]
        while stem in stems:  # images that differ in the extension alone
            stem += "_"
        stems.add(stem)
        data, suffix = _upright(one.image)
        for path, content in ((f"images/{stem}{suffix}", data), (f"masks/{stem}.png", _mask(one, names))):
            written.add(path)
            write_atomic(store.inside(folder / path), content)
    write_atomic(folder / _FILES, json.dumps(sorted(written | before)).encode())
    for old in (*folder.glob("images/*"), *folder.glob("masks/*")):
        if old.relative_to(folder).as_posix() in before - written:
            old.unlink()
    places = {name: str((folder / name).resolve()) for name in ("images", "masks")}
    data_of = {"data": {"kind": "folder", **places, "classes": names, "hold_out": 0.2}}
    said = yaml.safe_dump(data_of, sort_keys=False, allow_unicode=True, width=10**6)
    write_atomic(folder / "data.yaml", said.encode())
    return {"folder": str(folder), "config": said, "images": len(stems), "leftOut": left_out}


def _mask(one: Annotated, names: Sequence[str]) -> bytes:
    """Its classes as PNG: what lies later in the list lies above."""
    pairs = [
        (mask, names.index(drawn.name))
        for drawn, mask in zip(one.document.objects, one.document.masks(), strict=True)
        if mask.any()
    ]
    labels = label_map([mask for mask, _ in pairs], [label for _, label in pairs], one.image.size)
    return label_png(labels, range(len(names) - 1))


def _classes(found: Iterable[Annotated]) -> list[str]:
    named = {
        drawn.name
        for one in found
        for drawn, mask in zip(one.document.objects, one.document.masks(), strict=True)
        if mask.any()
    }
    if not named:
        raise UserError("there is nothing to write yet: no object has a mask")
    names = [BACKGROUND, *sorted(named - {BACKGROUND})]
    if len(names) > _MOST_CLASSES:
        raise UserError(f"there are {len(names)} classes with the background: masks have at most {_MOST_CLASSES}")
    return names


def _upright(image: Opened) -> tuple[bytes, str]:
    """The file's bytes and its ending; PNG where a tag turns it."""
    try:
        upright_size(io.BytesIO(image.data), "masks")
    except SampleError:
        pixels = read_image(io.BytesIO(image.data))
        return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes(), ".png"
    return image.data, os.path.splitext(image.name)[1]


def _written(folder: Path) -> set[str]:
    """What an earlier call wrote, by its own list."""
    try:
        found = parse_json(read_file(folder / _FILES, _MOST_BYTES), 2**20)
    except (OSError, ValueError):
        return set()
    return {name for name in found if isinstance(name, str)} if isinstance(found, list) else set()
