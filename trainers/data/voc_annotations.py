"""PASCAL VOC's annotations in XML: read within bounds. Nothing here imports torch.

Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from common_fate.shards.limits import quoted

MAX_XML_BYTES = 2**18  # VOC's own have a few thousand


@dataclass(frozen=True)
class VocObject:
    """An object of an image.

    Args:
        box: x0, y0, x1, y1: its edges in pixels, from 0. The file counts pixels from 1, the last one among them.
        difficult: it is not counted.
    """

    name: str
    box: tuple[float, float, float, float]
    difficult: bool


def parse_annotation(data: bytes) -> tuple[tuple[int, int], list[VocObject]]:
    """Parses an annotation of VOC into the image's height and width, and its objects.

    What XML could be made to unfold to or to fetch is not read: a document type is refused.

    Raises:
        ValueError: it is too large, no such XML, or lacks a size, a name or a box of numbers.
    """
    if len(data) > MAX_XML_BYTES:
        raise ValueError(f"larger than {MAX_XML_BYTES} bytes")
    text = data.decode()  # as text, so that no declaration of another encoding hides anything
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it declares a document type, which annotations of VOC do not")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    return (int(_number(root, "size/height")), int(_number(root, "size/width"))), list(_objects(root))


def _objects(root: ElementTree.Element) -> Iterator[VocObject]:
    for each in root.iterfind("object"):
        name = (each.findtext("name") or "").strip()
        if not name:
            raise ValueError("an object has no name")
        x0, y0, x1, y1 = (_number(each, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
        yield VocObject(name, (x0 - 1, y0 - 1, x1, y1), (each.findtext("difficult") or "0").strip() == "1")


def _number(element: ElementTree.Element, path: str) -> float:
    text = element.findtext(path)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not abs(value) < 2**31:
        raise ValueError(f"{path} is {quoted(text)}: should be a number")
    return value
