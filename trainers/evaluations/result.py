"""What an evaluation measured: rows and pictures, and the one file they are in. Nothing here imports torch.

The file is JSON, with its pictures inside as base64, and is read as any file from elsewhere is: within bounds.
"""

import base64
import json
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from common_fate.errors import UserError
from common_fate.foreign.files import parse_json, read_file
from common_fate.shards.files import write_atomic
from common_fate.shards.limits import MAX_PIXELS, quoted

FORMAT = 1
ALL = "all"
"""The dataset of a row over several together."""

BETTER = ("higher", "lower")
MAX_BYTES = 2**28
MAX_VALUES = 2**20
MAX_ROWS = 2**14
MAX_BASELINES = 16  # in all rows together: each is a column of the tables
MAX_PICTURES = 64
MAX_PICTURE_BYTES = 2**25
MAX_CHUNKS = 2**16  # of a picture
MAX_TEXT = 2**10  # of a name
MAX_NOTE = 2**14
_SIGNATURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@dataclass(frozen=True)
class Row:
    """One measured number, and how it is to be read.

    Args:
        dataset: what it was measured on, or `ALL`.
        metric: its name, a standard term: `epe`, `mean IoU`.
        value: None where nothing could be measured.
        unit: `px`, `%`, or nothing.
        better: `higher` or `lower`.
        samples: over how many.
        subset: which of their pixels, classes or parts; nothing: all of them.
        baselines: what needs no learning gives on the same samples, by name.
    """

    dataset: str
    metric: str
    value: float | None
    unit: str
    better: str
    samples: int
    subset: str = ""
    baselines: Mapping[str, float | None] = field(default_factory=dict)

    def improvement(self) -> float | None:
        """Returns by how many percent the row is better than the best of its baselines; None where none can be said."""
        best = self.best_baseline()
        if self.value is None or best is None or not best[1]:
            return None
        change = 100 * (self.value - best[1]) / abs(best[1])
        return change if self.better == "higher" else -change

    def best_baseline(self) -> tuple[str, float] | None:
        """Returns the name and the value of the best baseline that has one."""
        known = [(name, value) for name, value in self.baselines.items() if value is not None]
        if not known:
            return None
        return (max if self.better == "higher" else min)(known, key=lambda one: one[1])


@dataclass(frozen=True)
class Picture:
    """A named picture, PNG, with what stands under it."""

    name: str
    png: bytes
    caption: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as the PNG's header has them."""
        width, height = struct.unpack_from(">II", self.png, 16)
        return int(width), int(height)


@dataclass(frozen=True)
class Result:
    """All that an evaluation measured, with what else is worth keeping (`about`, plain JSON).

    The first row is the headline: what stands for the evaluation where there is room for one number. Rows on the same
    dataset and subset with other metrics stand beside it.
    """

    rows: tuple[Row, ...]
    pictures: tuple[Picture, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""  # what stands under the table: what the rows mean


@dataclass(frozen=True)
class Measurement:
    """A result, and which evaluation of which experiment it is from.

    Args:
        evaluation, version: the declaration's.
        experiment: its name.
        start: whose weights: `model`, `encoder`, `scratch`, or a checkpoint's name.
        options: the evaluation's, as JSON.
        side: of the videos: `held out` or `all`.
        views: folders or addresses; none where the evaluation reads none.
        seconds: that it took.
    """

    evaluation: str
    version: int
    experiment: str
    start: str
    options: Mapping[str, Any]
    side: str
    views: tuple[str, ...]
    result: Result
    seconds: float


def headlines(rows: Sequence[Row]) -> list[Row]:
    """Returns the first row, and those that have its dataset and subset: one for each metric."""
    return [row for row in rows if (row.dataset, row.subset) == (rows[0].dataset, rows[0].subset)]


def write_result(path: Path, measurement: Measurement) -> None:
    """Writes a `START.json`, atomically. What is not finite is written as null.

    Raises:
        ValueError: it has no rows, or is larger than what `read_result` reads.
    """
    result = measurement.result
    rows = [
        asdict(replace(row, value=_finite(row.value), baselines={k: _finite(v) for k, v in row.baselines.items()}))
        for row in result.rows
    ]
    pictures = [
        {"name": picture.name, "caption": picture.caption, "png": base64.b64encode(picture.png).decode()}
        for picture in result.pictures
    ]
    facts = {
        "format": FORMAT,
        "evaluation": measurement.evaluation,
        "version": measurement.version,
        "experiment": measurement.experiment,
        "start": measurement.start,
        "side": measurement.side,
        "views": list(measurement.views),
        "seconds": round(measurement.seconds, 1),
        "rows": rows,
        "about": dict(result.about),
        "note": result.note,
        "options": dict(measurement.options),
        "pictures": pictures,
    }
    data = (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode()
    _parsed(data)
    write_atomic(path, data)


def read_result(path: Path) -> Measurement:
    """Reads a `START.json`.

    Raises:
        UserError: it is missing, too large, damaged, or of another format; the message says what to do.
    """
    try:
        return _parsed(read_file(path, MAX_BYTES))
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file: run the evaluation first") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}): remove it, and run snakemake to make it again") from error


def rows_of(values: Any) -> tuple[Row, ...]:
    """Returns rows from what JSON has of them.

    Raises:
        ValueError: there are none, one is not a row, or together they have more than `MAX_BASELINES` baselines.
    """
    if not isinstance(values, list) or not 0 < len(values) <= MAX_ROWS:
        raise ValueError(f"rows should be a list of 1 to {MAX_ROWS}")
    rows = tuple(map(_row, values))
    if len(names := {name for row in rows for name in row.baselines}) > MAX_BASELINES:
        raise ValueError(f"{len(names)} baselines in its rows; at most {MAX_BASELINES}")
    return rows


def _parsed(data: bytes) -> Measurement:
    if len(data) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    facts = _object(parse_json(data, MAX_VALUES), "it")
    if facts.get("format") != FORMAT:
        raise ValueError(f"format is {quoted(facts.get('format'))}, should be {FORMAT}")
    views, pictures = facts.get("views"), facts.get("pictures")
    if not isinstance(views, list):
        raise ValueError("views should be a list")
    if not isinstance(pictures, list) or len(pictures) > MAX_PICTURES:
        raise ValueError(f"pictures should be a list of at most {MAX_PICTURES}")
    return Measurement(
        evaluation=_text(facts, "evaluation"),
        version=_count(facts, "version"),
        experiment=_text(facts, "experiment"),
        start=_text(facts, "start"),
        options=_object(facts.get("options"), "options"),
        side=_text(facts, "side"),
        views=tuple(_text({"views": view}, "views", MAX_NOTE) for view in views),
        result=Result(
            rows_of(facts.get("rows")),
            tuple(map(_picture, pictures)),
            _object(facts.get("about"), "about"),
            _text(facts, "note", MAX_NOTE),
        ),
        seconds=_number(facts.get("seconds"), "seconds") or 0.0,
    )


def _row(values: Any) -> Row:
    values = _object(values, "a row")
    baselines = _object(values.get("baselines", {}), "baselines")
    if len(baselines) > MAX_BASELINES:
        raise ValueError(f"{len(baselines)} baselines; at most {MAX_BASELINES}")
    if values.get("better") not in BETTER:
        raise ValueError(f"better is {quoted(values.get('better'))}: should be {' or '.join(BETTER)}")
    return Row(
        dataset=_text(values, "dataset"),
        metric=_text(values, "metric"),
        value=_number(values.get("value"), "value"),
        unit=_text(values, "unit"),
        better=values["better"],
        samples=_count(values, "samples"),
        subset=_text(values, "subset"),
        baselines={_text({"baselines": name}, "baselines"): _number(of, "baselines") for name, of in baselines.items()},
    )


def _picture(values: Any) -> Picture:
    values = _object(values, "a picture")
    text = values.get("png")
    if not isinstance(text, str) or len(text) > MAX_PICTURE_BYTES * 4 / 3 + 4:
        raise ValueError(f"a picture should be base64 of at most {MAX_PICTURE_BYTES} bytes")
    try:
        png = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"a picture is not base64 ({error})") from error
    if not png.startswith(_SIGNATURE) or len(png) < 33:
        raise ValueError("a picture is not a PNG")
    picture = Picture(_text(values, "name"), png, _text(values, "caption", MAX_NOTE))
    if not 0 < math.prod(picture.size) <= MAX_PIXELS:
        raise ValueError(f"a picture of {picture.size[0]}x{picture.size[1]} pixels; at most {MAX_PIXELS} in all")
    _check_chunks(png)
    return picture


def _check_chunks(png: bytes) -> None:
    """Raises ValueError where a PNG is not whole: each chunk with its checksum, data among them, the end last."""
    kinds, place = set(), 8
    for _ in range(MAX_CHUNKS):
        if place + 12 > len(png):
            raise ValueError("a picture is a PNG that is cut short")
        (length,) = struct.unpack_from(">I", png, place)
        end = place + 8 + length
        if end + 4 > len(png):
            raise ValueError("a picture is a PNG that is cut short")
        if zlib.crc32(memoryview(png)[place + 4 : end]) != struct.unpack_from(">I", png, end)[0]:
            raise ValueError("a picture is a damaged PNG: a checksum is wrong")
        kinds.add(png[place + 4 : place + 8])
        place = end + 4
        if b"IEND" in kinds:
            break
    if not {b"IDAT", b"IEND"} <= kinds or place < len(png):
        raise ValueError("a picture is a PNG without an image, or with more behind it")


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} should be an object")
    return value


def _text(values: Mapping[str, Any], name: str, most: int = MAX_TEXT) -> str:
    value = values.get(name)
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"{name} is {quoted(value)}: should be text of at most {most} characters")
    return value


def _count(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is {quoted(value)}: should be a whole number, from 0 up")
    return value


def _number(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{name} is {quoted(value)}: should be a number, or null")
    return float(value)  # parse_json lets no other than finite ones through


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
