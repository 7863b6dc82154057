"""What was drawn on an image, as it is saved and as the page sends it. What comes from either is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common_fate.errors import UserError
from pipeline.sources.reading import MAX_PIXELS
from trainers.methods.cmp.apps.annotate import run_lengths
from trainers.methods.cmp.apps.annotator.masks import Mask, decode, enlarged, work_size
from trainers.page.answers import number, whole

VERSION = 1
"""Of the files."""
MOST_OBJECTS, MOST_POINTS, MOST_LETTERS = 100, 200, 80


@dataclass(frozen=True)
class Point:
    """A click, in pixels of the image; the centre of the first is (0, 0)."""

    x: float
    y: float
    positive: bool


@dataclass(frozen=True)
class Drawn:
    """An object. Masks are `(H, W)` at the size that is worked at, see `work_size`.

    Args:
        name: what it is; objects of one name are of one class.
        colour: its place in the palette.
        model, threshold, points: what `base` is made of.
        base: the mask of the clicks; None: there is none (yet).
        added, erased: what the brush did after all clicks; None: nothing.
    """

    name: str
    colour: int
    shown: bool
    model: str
    threshold: float
    points: tuple[Point, ...]
    base: Mask | None
    added: Mask | None
    erased: Mask | None

    @property
    def clicked(self) -> bool:
        """Whether clicks say what is inside."""
        return any(point.positive for point in self.points)

    def mask(self, work: tuple[int, int]) -> Mask:
        """Returns what the clicks and the brush make together."""
        made = np.zeros(work, bool) if self.base is None or not self.clicked else self.base
        if self.added is not None:
            made = made | self.added
        return made if self.erased is None else made & ~self.erased


@dataclass(frozen=True)
class Document:
    """The annotation of one image.

    Args:
        sha256: of the image's file.
        size: height and width of the image.
        revision: how often it was saved.
        tab: the opened page that saved it last.
        done: whether the annotator is done with the image.
    """

    image: str
    sha256: str
    size: tuple[int, int]
    revision: int
    tab: str
    done: bool
    objects: tuple[Drawn, ...]

    def masks(self) -> Iterator[Mask]:
        """Yields the mask of each object at the image's own size: together they may be gigabytes."""
        return (enlarged(one.mask(work_size(self.size)), self.size) for one in self.objects)


def objects_of(found: Any, size: tuple[int, int]) -> tuple[Drawn, ...]:
    """Returns the objects of JSON, for an image of `size`.

    Raises:
        UserError: they are malformed, or too many.
    """
    if not isinstance(found, list) or len(found) > MOST_OBJECTS:
        raise UserError(f"objects should be a list of at most {MOST_OBJECTS}")
    return tuple(_drawn(one, f"object {i + 1}", size) for i, one in enumerate(found))


def object_json(one: Drawn) -> dict[str, Any]:
    """Returns an object as JSON, without its final mask."""
    masks = {"base": one.base, "added": one.added, "erased": one.erased}
    return {
        "name": one.name,
        "colour": one.colour,
        "shown": one.shown,
        "model": one.model,
        "threshold": one.threshold,
        "points": [{"x": point.x, "y": point.y, "positive": point.positive} for point in one.points],
        **{name: None if mask is None else run_lengths(mask) for name, mask in masks.items()},
    }


def document_json(document: Document) -> dict[str, Any]:
    """Returns a document as JSON, with the final mask of each object at the image's own size."""
    pairs = zip(document.objects, document.masks(), strict=True)
    return {
        "version": VERSION,
        "image": {
            "name": document.image,
            "sha256": document.sha256,
            "width": document.size[1],
            "height": document.size[0],
        },
        "revision": document.revision,
        "tab": document.tab,
        "done": document.done,
        "objects": [object_json(one) | {"mask": run_lengths(mask)} for one, mask in pairs],
    }


def document_of(found: Any) -> Document:
    """Returns the document of JSON that `document_json` made.

    Raises:
        UserError: it is none, or of a newer version.
    """
    if not isinstance(found, dict) or not isinstance(image := found.get("image"), dict):
        raise UserError("is no annotation")
    if found.get("version") != VERSION:
        raise UserError(f"is of version {found.get('version')}, and this program reads version {VERSION}")
    size = whole(image.get("height"), "height", 1, MAX_PIXELS), whole(image.get("width"), "width", 1, MAX_PIXELS)
    if size[0] * size[1] > MAX_PIXELS:
        raise UserError(f"is of an image of {size[1]}x{size[0]} pixels: at most {MAX_PIXELS} are read")
    sha256 = text(image.get("sha256"), "sha256", 64)
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise UserError("sha256 should be 64 hexadecimal digits")
    return Document(
        text(image.get("name"), "name", 255),
        sha256,
        size,
        whole(found.get("revision"), "revision", 0, 2**53),
        text(found.get("tab"), "tab", MOST_LETTERS),
        found.get("done") is True,
        objects_of(found.get("objects"), size),
    )


def text(found: Any, name: str, most: int) -> str:
    """Returns a text, without halves of letters.

    Raises:
        UserError: it is none, or longer than `most` letters.
    """
    if not isinstance(found, str) or len(found) > most:
        raise UserError(f"{name} should be a text of at most {most} letters")
    return found.encode("utf-8", "replace").decode()


def _drawn(found: Any, where: str, size: tuple[int, int]) -> Drawn:
    if not isinstance(found, dict):
        raise UserError(f"{where} should be a JSON object")
    work = work_size(size)
    masks = {name: _mask(found, name, where, work) for name in ("base", "added", "erased")}
    return Drawn(
        " ".join(text(found.get("name"), f"{where}: name", MOST_LETTERS).split()) or "object",
        whole(found.get("colour"), f"{where}: colour", 0, 179),
        found.get("shown") is not False,
        text(found.get("model"), f"{where}: model", 255),
        number(found.get("threshold"), f"{where}: threshold", 0, 1),
        _points(found.get("points"), where, size),
        **masks,
    )


def _mask(found: Mapping[str, Any], name: str, where: str, work: tuple[int, int]) -> Mask | None:
    return None if found.get(name) is None else decode(found[name], work, f"{where}: {name}")


def _points(found: Any, where: str, size: tuple[int, int]) -> tuple[Point, ...]:
    if not isinstance(found, Sequence) or len(found) > MOST_POINTS or not all(isinstance(one, dict) for one in found):
        raise UserError(f"{where}: points should be a list of at most {MOST_POINTS}")
    return tuple(
        Point(
            number(one.get("x"), f"{where}: x", -0.5, size[1] - 0.5),
            number(one.get("y"), f"{where}: y", -0.5, size[0] - 0.5),
            one.get("positive") is True,
        )
        for one in found
    )
