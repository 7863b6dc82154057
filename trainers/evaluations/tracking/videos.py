"""Videos with masks on disk: which there are, how they are read, and what is wrong with them.

Nothing here imports torch: Snakemake checks them before any job.
"""

import os.path
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, UserError
from common_fate.pictures import Picture
from pipeline.sources import SOURCES, archived
from pipeline.sources.archived import Place, place_of
from pipeline.sources.archives import Tree
from pipeline.sources.benchmarks import DavisOptions
from pipeline.sources.reading import VOID
from pipeline.sources.source import Frame
from trainers.evaluations.tracking.options import TrackingData, TrackingOptions

LOOKED_AT = 2**24
"""Pixels of first frames that are read while Snakemake plans: a second's worth."""

Labels = NDArray[np.uint8]
"""`(H, W)`: 0 the background, 255 void, any other an object."""


@dataclass(frozen=True)
class Annotated:
    """A video whose first frame has a mask.

    Args:
        numbers: of its frames, ascending.
        objects: the labels of the first frame's mask, ascending: what is tracked.
        measured: the numbers of the frames with a mask, without the first frame and the last, as DAVIS has it.
        late: labels that only later masks have. They are nowhere to be carried from, and count as background.
    """

    name: str
    video: Video
    numbers: tuple[int, ...]
    objects: tuple[int, ...]
    measured: tuple[int, ...]
    late: tuple[int, ...] = ()


def check(options: TrackingOptions) -> None:
    """Checks the first frames of an evaluation's videos, as far as takes a second or two; each data set once.

    Raises:
        UserError: see `list_videos` and `first_objects`; the message starts with the path of a key.
    """
    _check(options.data)


@cache
def _check(data: TrackingData) -> None:
    left = LOOKED_AT
    for video in list_videos(data):
        if left <= 0:
            break
        first_objects(video)
        left -= next(frames_of(video)).size // 3


def list_videos(data: TrackingData) -> list[Video]:
    """Lists the videos by name. Their masks are not looked for.

    Raises:
        UserError: a folder or a list is missing, or a video that is named; the message starts with the key's path.
    """
    videos = {name_of(video): video for video in (_davis if data.kind == "davis" else _folders)(data)}
    for name in data.sequences:
        if name not in videos:
            raise UserError(f"data.sequences: there is no video {name!r}: there are {', '.join(sorted(videos))}")
    return [videos[name] for name in sorted(data.sequences or videos)]


def name_of(video: Video) -> str:
    """Returns what a video's folder is called."""
    return PurePath(place_of(video).frames).parent.name


def _davis(data: TrackingData) -> list[Video]:
    options = DavisOptions(path=data.path, year=data.year, split=data.split, resolution=data.resolution)
    return SOURCES["davis"].videos(options, "data")


def _folders(data: TrackingData) -> list[Video]:
    """Folders of frames and of masks, under the folder that holds both, for a place has one tree of names."""
    images, masks = (os.path.abspath(folder) for folder in (data.images, data.masks))
    root = os.path.commonpath([images, masks])
    inside, beside = (os.path.relpath(folder, root) for folder in (images, masks))
    names = Tree(((images, ""),)).folders("") if os.path.isdir(images) else []
    if not names:
        raise UserError(f"data.images {data.images!r}: has no folder of frames: each video has one")
    places = (Place(((root, ""),), f"{inside}/{name}/*", masks=f"{beside}/{name}/*.png") for name in names)
    # Of the kind whose masks are read as they are meant: grey, and nothing but 0 and 255, is one object.
    return [Video(name, "davis", place.uri()) for name, place in zip(names, places, strict=True)]


def first_objects(video: Video) -> tuple[int, ...]:
    """Returns the labels of the objects in the mask of the first frame, ascending.

    Raises:
        UserError: the first frame or its mask is missing or damaged, or the mask has no object.
    """
    numbers = frame_numbers(video)
    labels = mask_of(video, numbers[0])
    where = f"data: {name_of(video)}: the first frame, number {numbers[0]},"
    if labels is None:
        raise UserError(f"{where} has no mask, which is what is tracked: add it, or name the others in data.sequences")
    if not (objects := _objects(labels)):
        raise UserError(f"{where} has a mask without an object: correct it, or name the others in data.sequences")
    return objects


def annotated(video: Video) -> Annotated:
    """Reads all masks of a video, so that what is wrong is known before hours of tracking.

    Raises:
        UserError: as `first_objects`, of any mask; their size changes; or only the first frame and the last have one.
    """
    objects, numbers = first_objects(video), frame_numbers(video)
    size = next(frames_of(video)).shape[:2]
    measured: list[int] = []
    late: set[int] = set()
    for number in numbers[1:-1]:
        labels = mask_of(video, number)
        if labels is None:
            continue
        if labels.shape != size:
            sizes = " after ".join(f"{shape[1]}x{shape[0]}" for shape in (labels.shape, size))
            raise UserError(f"data: {name_of(video)}: frame {number}: a mask of {sizes}: all have to be of one size")
        measured.append(number)
        late.update(_objects(labels))
    if not measured:
        raise UserError(f"data: {name_of(video)}: no frame but the first and the last has a mask: nothing to measure")
    return Annotated(
        name_of(video), video, tuple(numbers), objects, tuple(measured), tuple(sorted(late - set(objects)))
    )


def frame_numbers(video: Video) -> Sequence[int]:
    """Returns the numbers of a video's frames. Raises UserError where it has none."""
    try:
        return archived.numbers(video)
    except SampleError as error:
        raise UserError(f"data: {name_of(video)}: {error}") from error


def frames_of(video: Video) -> Iterator[Picture]:
    """Yields the frames `(H, W, 3)` of a video, in order.

    Raises:
        UserError: one is damaged, or of another size than the first.
    """
    for frame in archived.read(video, frame_numbers(video)):
        if not isinstance(frame, Frame):
            raise UserError(f"data: {name_of(video)}: frame {frame.number}: {frame.reason}")
        yield frame.image


def mask_of(video: Video, number: int) -> Labels | None:
    """Returns the labels of a frame; None where it has no mask.

    Raises:
        UserError: the mask is damaged, or of another size than the frame.
    """
    try:
        return archived.masks(video, number)
    except SampleError as error:
        raise UserError(f"data: {name_of(video)}: frame {number}: {error}") from error


def _objects(labels: Labels) -> tuple[int, ...]:
    return tuple(int(label) for label in np.unique(labels) if label not in (0, VOID))
