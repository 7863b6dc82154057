"""Tables of named points, as people have them: a row an image, a column a coordinate."""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.sources.listing import expanded
from pipeline.sources.named_points import KNOWN_NAMES, MOST_POINTS, Named, check_name, coordinate
from pipeline.sources.reading import IMAGE_EXTENSIONS, is_image
from pipeline.sources.rows import Row, RowError, read_rows

_log = logging.getLogger(__name__)

_FILE = ("file", "filename", "file_name", "image", "image_name", "image_id", "image_path", "img", "path", "name", "")
_APART = re.compile(r"(?P<name>.+)(?P<gap>[ _.-])(?P<axis>[xXyY])")  # nose_x
_NUMBERED = re.compile(r"(?P<axis>[xXyY])(?P<gap>[ _.-]?)(?P<name>\d+)", re.ASCII)  # x0
_TOGETHER = re.compile(r"(?P<name>.+)(?P<gap>)(?P<axis>[xXyY])")  # nosex
_SEEN = ("v", "visible", "visibility", "vis")
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_EMPTY = ("", "nan", "none", "null")
_TRUE, _FALSE = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
_LABELLED_AND_SEEN = ("2", "2.0")  # of COCO, where 1 is hidden and 0 unknown


@dataclass(frozen=True)
class _Columns:
    """Of a point: its name, and its columns in the table."""

    name: str
    x: str
    y: str
    visible: str | None


@dataclass(frozen=True)
class Pointed:
    """What a table says of an image: its points, and what else stands in the row."""

    points: Named
    facts: Mapping[str, str]


@dataclass(frozen=True)
class PointTable:
    """A table of points: `names` of all of them, and what it says of the images that it names, by their paths."""

    names: tuple[str, ...]
    images: Mapping[str, Pointed]


def read_points(
    path: str,
    images: Sequence[str],
    names: str | Sequence[str] | None,
    only: Mapping[str, str | int] | None,
    where: str,
) -> PointTable:
    """Reads a table of the points of images; docs/sources/points.md says what the columns may be called.

    Args:
        path: of the table: CSV, TSV, JSON Lines or Parquet.
        images: their paths.
        names: of the points, in the order of the columns, or what known ones are called.
        only: the value that each of these columns has in the rows that count.
        where: the key of config.yaml that names the table.

    Raises:
        UserError: it is no table of points, names an image twice, or names one that is not there.
    """
    try:
        rows = _rows(Path(expanded(path)), only or {})
        columns = _columns(rows[0][1] if rows else {})
        called = _names(columns, names)
        file = _file_column(rows[0][1])
        seen = [one.visible for one in columns if one.visible is not None]
        coco = any(row.get(column, "").strip() in _LABELLED_AND_SEEN for _, row in rows for column in seen)
        used = {file, *(name for one in columns for name in (one.x, one.y, one.visible))}
        found: dict[str, Pointed] = {}
        stands: dict[str, int] = {}
        for number, image, row in _with_images(rows, file, images, where):
            if image in found:
                raise RowError(
                    number,
                    f"{quoted(row[file])} has points in row {stands[image]}: an image has one row; of several things "
                    "in an image, cut out each by its box, save it as an image, and give it the row",
                )
            stands[image] = number
            try:
                points = Named(called, tuple(_point(row, one, coco) for one in columns))
            except ValueError as error:
                raise RowError(number, error) from error
            found[image] = Pointed(points, {name: value for name, value in row.items() if name not in used})
    except OSError as error:
        raise UserError(f"{where} {path!r}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{where} {path!r}: {error}") from error
    return PointTable(called, found)


def _rows(path: Path, only: Mapping[str, str | int]) -> list[tuple[int, Row]]:
    rows = []
    number = 0
    for number, row in read_rows(path, floats=True):
        if lacking := [name for name in only if name not in row]:
            raise ValueError(f"no column {quoted(lacking[0])}: the columns are {quoted(', '.join(row))}")
        if all(row[name].strip() == str(value) for name, value in only.items()):
            rows.append((number, row))
    if not rows:
        raise ValueError(f"no row with {dict(only)}" if number else "has no row")
    return rows


def _columns(names: Iterable[str]) -> list[_Columns]:
    """The columns of each point, in the order of the table: of the first way to call them in which there are any.

    So a box, x0 to y1, beside points with names is none of them.
    """
    names = list(names)
    for pattern in (_APART, _NUMBERED, _TOGETHER):
        found: dict[str, dict[str, str]] = {}
        gaps: dict[str, str] = {}
        for column in names:
            if match := pattern.fullmatch(column.strip()):
                found.setdefault(match["name"], {}).setdefault(match["axis"].lower(), column)
                gaps[match["name"]] = match["gap"]
        whole = {name: axes for name, axes in found.items() if len(axes) == 2}
        if whole:
            if pattern is not _TOGETHER and len(whole) < len(found):
                half = min(found.keys() - whole.keys())
                raise ValueError(f"has {quoted(next(iter(found[half].values())))} and not its other coordinate")
            if len(whole) > MOST_POINTS:
                raise ValueError(f"has {len(whole)} points; at most {MOST_POINTS}")
            before = pattern is _NUMBERED
            columns = [
                _Columns(name, axes["x"], axes["y"], _seen_column(names, name, gaps[name], before))
                for name, axes in whole.items()
            ]
            return sorted(columns, key=lambda one: int(one.name)) if before else columns
    raise ValueError("has no columns of points, such as nose_x and nose_y, or x0 and y0")


def _seen_column(columns: Iterable[str], name: str, gap: str, before: bool) -> str | None:
    wanted = {(f"{seen}{gap}{name}" if before else f"{name}{gap}{seen}").lower() for seen in _SEEN}
    return next((column for column in columns if column.strip().lower() in wanted), None)


def _names(columns: Sequence[_Columns], given: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names of the points: those given, else 300-W's of 68 that have numbers alone, else those of the columns."""
    numbers = [re.fullmatch(r"\D*(\d+)", one.name, re.ASCII) for one in columns]
    counted = [int(number[1]) for number in numbers if number]
    if given is not None:
        names = KNOWN_NAMES[given] if isinstance(given, str) else tuple(given)
        if len(names) != len(columns):
            raise ValueError(f"has {len(columns)} points, and point_names {len(names)}")
    elif len(counted) == len(columns) == 68 and counted in ([*range(68)], [*range(1, 69)]):
        names = KNOWN_NAMES["faces_68"]
    else:
        names = tuple(one.name if one.name.isdigit() else with_side(one.name) for one in columns)
    for name in names:
        check_name(name)
    if len(set(names)) < len(names):
        raise ValueError(f"two of its points are called {quoted(next(n for n in names if names.count(n) > 1))}")
    return names


def with_side(name: str) -> str:
    """Returns a point's name in lower case with `_`, with `left_` or `right_` in front where it has a side.

    `L_Eye`, `leftEye`, `lefteye` and `eye-left` all become `left_eye`, so that mirror images find the other one.
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    parts = [part for part in re.split(r"[ _.\-]+", words.lower()) if part]
    if parts and (glued := re.fullmatch(r"(left|right)(.+)", parts[0])):
        parts[:1] = glued.groups()
    sided = [place for place, part in enumerate(parts) if part in _SIDES]
    if len(sided) == 1 and len(parts) > 1:
        parts.insert(0, _SIDES[parts.pop(sided[0])])
    return "_".join(parts) or name


def _point(row: Row, columns: _Columns, coco: bool) -> tuple[float, float, int]:
    """A point's y, x and whether it is visible; three zeros of one that is not known."""
    names = (columns.x, columns.y, columns.visible)
    x, y, seen = ("" if name is None else row.get(name, "").strip() for name in names)
    visible = _visible(seen, columns, coco)
    lacks = [name for name, text in ((columns.x, x), (columns.y, y)) if text.lower() in _EMPTY]
    if len(lacks) == 1:
        raise ValueError(f"{quoted(lacks[0])} is empty, and its other coordinate is not")
    if lacks and visible:
        raise ValueError(f"{quoted(columns.name)} is visible by {quoted(columns.visible)}, and has no place")
    if lacks or (coco and seen in _FALSE):
        return 0.0, 0.0, 0
    return coordinate(y), coordinate(x), int(visible is not False)


def _visible(text: str, columns: _Columns, coco: bool) -> bool | None:
    """What the table says; None where it says nothing: a point that has a place is then visible."""
    if text.lower() in _EMPTY:
        return None
    if text in _LABELLED_AND_SEEN:
        return True
    if text.lower() in _TRUE:
        return not coco
    if text.lower() in _FALSE:
        return False
    raise ValueError(f"{quoted(columns.visible)} is {quoted(text)}, and says neither 1, visible, nor 0, hidden")


def _file_column(names: Iterable[str]) -> str:
    known = {name.strip().lower(): name for name in reversed(list(names))}
    for name in _FILE:
        if name in known:
            return known[name]
    raise ValueError("has no column of files: call it `file`")


def _with_images(
    rows: Sequence[tuple[int, Row]], file: str, images: Sequence[str], where: str
) -> Iterator[tuple[int, str, Row]]:
    """The rows with the images that they name, by a name with or without its extension, and folders where needed."""
    by_ending: dict[int, dict[str, list[str]]] = {}
    folders = {os.path.dirname(image) for image in images}
    others = 0
    for number, row in rows:
        path = os.path.normpath(row.get(file, "").strip().replace("\\", "/"))
        parts = path.count("/") + 1
        if parts not in by_ending:
            by_ending[parts] = _by_ending(images, parts)
        named = by_ending[parts].get(path, [])
        if len(named) > 1:
            raise RowError(number, f"{quoted(row[file])} may be {named[0]!r} or {named[1]!r}: name its folder as well")
        if named:
            yield number, named[0], row
        elif _lies_beside(os.path.basename(path), folders):
            others += 1
        else:
            raise RowError(number, f"{quoted(row.get(file, ''))} is none of the images, and does not lie beside them")
    if others:
        _log.warning("%s: %d rows are of images that `path` leaves out", where, others)


def _by_ending(images: Iterable[str], parts: int) -> dict[str, list[str]]:
    """The images by so many of the last parts of their paths, with their extension and without."""
    found: dict[str, list[str]] = {}
    for image in images:
        for path in dict.fromkeys((image, os.path.splitext(image)[0])):
            found.setdefault("/".join(path.split("/")[-parts:]), []).append(image)
    return found


def _lies_beside(name: str, folders: Iterable[str]) -> bool:
    endings = ("",) if is_image(name) else IMAGE_EXTENSIONS
    return any(os.path.exists(os.path.join(folder, name + ending)) for folder in folders for ending in endings)
