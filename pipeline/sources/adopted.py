"""Datasets adopted from elsewhere: `python -m pipeline adopt` wrote their catalog, and the videos are not here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, UserError
from pipeline.sources.source import Frame, Source, Unreadable


@dataclass(frozen=True)
class AdoptedOptions:
    """None: such a dataset is as it was made."""


def _videos(options: AdoptedOptions, where: str) -> list[Video]:
    raise UserError(
        f"{where}: an adopted dataset is not listed: `python -m pipeline adopt` writes its catalog and plan"
    )


def _numbers(video: Video) -> Sequence[int]:
    raise SampleError("no copy of this video is here")


def _read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    raise SampleError("no copy of this video is here")


SOURCE = Source(
    name="adopted",
    options=AdoptedOptions,
    videos=_videos,
    numbers=_numbers,
    read=_read,
    truth=None,
    select="all",
)
