"""Single images, each a video of one frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, UserError, check_machine
from pipeline.option import option
from pipeline.sources.listing import Paths, as_videos, check_paths, file_state, find
from pipeline.sources.reading import IMAGE_EXTENSIONS, is_image, name_unread, read_image
from pipeline.sources.source import Frame, Source, Unreadable


@dataclass(frozen=True)
class ImagesOptions:
    """Where the images are."""

    path: Paths = option(help="a glob of files, a `.txt` file that lists them, or a list of these", minItems=1)
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)


def _videos(options: ImagesOptions, where: str) -> list[Video]:
    listed = find(options.path, where)
    found = [one for one in listed if is_image(one.path)]
    name_unread((one.path for one in listed), f"{where}.path")
    if not found:
        raise UserError(f"{where}.path {options.path!r} matches no image ({', '.join(IMAGE_EXTENSIONS)})")
    return as_videos(found, "images", options.license, where)


def _numbers(video: Video) -> Sequence[int]:
    return [0]


def _read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    for number in wanted:
        try:
            yield Frame(number, None, read_image(video.uri)) if number == 0 else Unreadable(number, "no such frame")
        except SampleError as error:
            check_machine(error, video.uri)
            yield Unreadable(number, str(error))


SOURCE = Source(
    name="images",
    options=ImagesOptions,
    videos=_videos,
    numbers=_numbers,
    read=_read,
    truth=None,
    select="all",
    state=lambda video: file_state(video.uri),
    within=lambda video: "",
    single=True,
)
