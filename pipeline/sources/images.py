"""Single images, each a video of one frame, and named points of them where a table has any."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, UserError, check_machine
from pipeline.option import option
from pipeline.sources import web
from pipeline.sources.listing import Paths, as_videos, check_paths, file_state, find
from pipeline.sources.named_points import KNOWN_NAMES, Named, named_points, unknown
from pipeline.sources.point_tables import read_points
from pipeline.sources.reading import IMAGE_EXTENSIONS, is_image, name_unread, read_image, upright_size
from pipeline.sources.source import Frame, Points, Source, Unreadable

_log = logging.getLogger(__name__)

_POINTED = '{"file": '
"""How the uri of an image with points begins; that of another is its path."""


@dataclass(frozen=True)
class ImagesOptions:
    """Where the images are, and their named points."""

    path: Paths = option(help="a glob of files, a `.txt` file that lists them, or a list of these", minItems=1)
    license: str | None = option(None, "carried into the catalog")
    points: str | None = option(None, "a table of named points, a row an image: CSV, TSV, JSON Lines or Parquet")
    point_names: str | list[str] | None = option(
        None, "of the points, in the order of the columns, or `faces_5` or `faces_68`; null: as the columns are called"
    )
    only: Mapping[str, str | int] | None = option(
        None, "images whose row has these values, such as `{split: train}`; null: all, with a row or without"
    )

    def __post_init__(self) -> None:
        check_paths(self.path)
        if isinstance(self.point_names, str) and self.point_names not in KNOWN_NAMES:
            raise ValueError(
                f"point_names is {self.point_names!r}: a list of names, or one of {', '.join(KNOWN_NAMES)}"
            )
        if self.points is None and (self.point_names is not None or self.only is not None):
            raise ValueError("point_names and only are of a table of points: name it as points, or leave these out")


def _videos(options: ImagesOptions, where: str) -> list[Video]:
    listed = find(options.path, where)
    found = [one for one in listed if is_image(one.path)]
    name_unread((one.path for one in listed), f"{where}.path")
    if not found:
        raise UserError(f"{where}.path {options.path!r} matches no image ({', '.join(IMAGE_EXTENSIONS)})")
    videos = as_videos(found, "images", options.license, where)
    return videos if options.points is None else _with_points(videos, options, options.points, where)


def _with_points(videos: Sequence[Video], options: ImagesOptions, points: str, where: str) -> list[Video]:
    images = [video.uri for video in videos]
    table = read_points(points, images, options.point_names, options.only, f"{where}.points")
    made = []
    for video in videos:
        known = table.images.get(video.uri)
        if known is None and options.only is None:
            made.append(replace(video, uri=_uri(video.uri, unknown(table.names))))
        elif known is not None:
            made.append(replace(video, uri=_uri(video.uri, known.points), about=web.about(known.facts)))
    if not made:
        raise UserError(f"{where}.only {options.only!r}: no image of {options.path!r} has such a row")
    if options.only is None and len(table.images) < len(videos):
        without = len(videos) - len(table.images)
        _log.warning("%s.points: %d of %d images have no row, and no points", where, without, len(videos))
    return made


def _uri(path: str, points: Named) -> str:
    """All that reading takes, as JSON."""
    return json.dumps({"file": path, "points": points.listed()}, ensure_ascii=False)


def _opened(video: Video) -> tuple[str, object]:
    """An image's path, and its points as JSON has them."""
    if not video.uri.startswith(_POINTED):
        return video.uri, None
    try:
        place = json.loads(video.uri)
        if not isinstance(place["file"], str):
            raise TypeError
        return place["file"], place["points"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SampleError("its uri is not that of an image with points") from error


def _within(video: Video) -> str:
    points = _opened(video)[1]
    return "" if points is None else json.dumps(points, ensure_ascii=False)


def _numbers(video: Video) -> Sequence[int]:
    return [0]


def _read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    path, _ = _opened(video)
    for number in wanted:
        try:
            yield Frame(number, None, read_image(path)) if number == 0 else Unreadable(number, "no such frame")
        except SampleError as error:
            check_machine(error, path)
            yield Unreadable(number, str(error))


def _points(video: Video, frame: int) -> Points | None:
    path, points = _opened(video)
    return None if points is None or frame else named_points(points).at(upright_size(path, "its points"))


SOURCE = Source(
    name="images",
    options=ImagesOptions,
    videos=_videos,
    numbers=_numbers,
    read=_read,
    truth=None,
    select="all",
    state=lambda video: file_state(_opened(video)[0]),
    within=_within,
    points=_points,
    single=True,
)
