"""Folders of frames, one folder a video, with ground-truth flow where a benchmark ships it."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, UserError, check_machine
from common_fate.foreign.flow_files import read_flo, read_kitti_png
from pipeline.option import option
from pipeline.sources.listing import Paths, as_videos, check_paths, expanded, find
from pipeline.sources.numbering import numbered, same_but_for_ending
from pipeline.sources.reading import check_beside, is_image, is_unread, name_unread, no_flow, of_one_size, read_image
from pipeline.sources.source import Frame, Source, State, Truth, Unreadable


@dataclass(frozen=True)
class FoldersOptions:
    """Where the folders are, and the flow between their frames."""

    path: Paths = option(help="a glob of folders, or a list of globs", minItems=1)
    license: str | None = option(None, "carried into the catalog")
    flow: str | None = option(None, "the root of ground-truth flow, one folder a video")

    def __post_init__(self) -> None:
        check_paths(self.path)


def _videos(options: FoldersOptions, where: str) -> list[Video]:
    flow = None if options.flow is None else expanded(options.flow)
    if flow is not None and not os.path.isdir(flow):
        raise UserError(f"{where}.flow {options.flow!r} is no folder")
    found, others = [], []
    for one in find(options.path, where, folders=True):
        size, unread = _scanned(one.path, where)
        found.append(replace(one, bytes=size))
        others += unread
    name_unread(others, f"{where}.path")
    if flow is not None:
        _check_flow([one.path for one in found], flow, where)
    videos = as_videos(found, "frames", options.license, where, folders=True)
    return [replace(video, uri=_uri(video.uri, flow)) for video in videos]


def _check_flow(folders: Sequence[str], flow: str, where: str) -> None:
    """Raises UserError where no frame has a file of flow, or what a folder has is none."""
    matched = False
    for folder in folders:
        beside = os.path.join(flow, os.path.basename(os.path.normpath(folder)))
        if not os.path.isdir(beside):
            continue
        try:
            there = set(os.listdir(beside))
            names = sorted(_images(folder, os.stat(folder).st_mtime_ns))
            named = (name for name in names if there.intersection(_flow_names(os.path.splitext(name)[0])))
            paths = (_flow_file(beside, os.path.splitext(name)[0], os.path.join(folder, name)) for name in named)
            path = next(filter(None, paths), None)
            if path is None:
                continue
            with open(path, "rb") as file:
                fault = no_flow(file.read(32), os.path.splitext(path)[1])
        except OSError as error:
            raise UserError(f"{where}.flow: cannot read {error.filename!r}: {error.strerror}") from error
        if fault is not None:
            raise UserError(f"{where}.flow: {path!r} is {fault}: is this the folder of the flow?")
        matched = True
    if not matched:
        name = os.path.basename(os.path.normpath(min(folders)))
        raise UserError(
            f"{where}.flow {flow!r} has no flow of any frame: it should hold {name}/ and in it a .flo or .png called "
            "as the frame is"
        )


def _scanned(folder: str, where: str) -> tuple[int, list[str]]:
    """The bytes of a folder's frames, and its images of formats that are not read."""
    try:
        with os.scandir(folder) as entries:
            listed = list(entries)
        size = sum(status.st_size for status in _statuses(listed))
        return size, [entry.path for entry in listed if is_unread(entry.name) and entry.name[0] != "."]
    except OSError as error:
        raise UserError(f"{where}.path: cannot read {error.filename!r}: {error.strerror}") from error


def _statuses(entries: Iterable[os.DirEntry[str]], wanted: Callable[[str], bool] = is_image) -> list[os.stat_result]:
    return [entry.stat() for entry in entries if wanted(entry.name)]


def _statuses_in(folder: str, wanted: Callable[[str], bool] = is_image) -> list[os.stat_result]:
    with os.scandir(folder) as entries:
        return _statuses(entries, wanted)


def _state(video: Video) -> State:
    folder, flow = _opened(video)
    try:
        frames = _statuses_in(folder)
        truth = [status for place in _truth_folders(folder, flow) for status in _statuses_in(place, _is_truth)]
    except OSError as error:
        check_machine(error, folder)
        return 0, 0
    return sum(status.st_size for status in frames), sum(status.st_mtime_ns for status in (*frames, *truth))


def _is_truth(name: str) -> bool:
    return name.endswith((".flo", ".png"))


def _truth_folders(folder: str, flow: str | None) -> list[str]:
    """The folders that hold a video's ground truth, as far as they are there."""
    if flow is None:
        return []
    name, beside = os.path.basename(os.path.normpath(folder)), os.path.dirname(os.path.normpath(flow))
    roots = (flow, os.path.join(beside, "invalid"), os.path.join(beside, "occlusions"))
    return [place for root in roots if os.path.isdir(place := os.path.join(root, name))]


def _uri(folder: str, flow: str | None) -> str:
    """All that reading takes, as JSON: a path may hold any character that a separator could be."""
    return json.dumps({"folder": folder} if flow is None else {"folder": folder, "flow": flow}, ensure_ascii=False)


def _opened(video: Video) -> tuple[str, str | None]:
    places = json.loads(video.uri)
    return places["folder"], places.get("flow")


def _names(video: Video) -> dict[int, str]:
    """File names by frame number, ascending."""
    folder, _ = _opened(video)
    try:
        names = _images(folder, os.stat(folder).st_mtime_ns)
    except OSError as error:
        raise SampleError(f"the folder cannot be read: {error.strerror}") from error
    if not names:
        raise SampleError("no image in the folder")
    if same_but_for_ending(names):
        raise SampleError("two images have one name but for its extension: which of them is the frame?")
    return numbered(names)


@lru_cache(maxsize=1)
def _images(folder: str, modified: int) -> list[str]:
    """Names of images; kept, since the truth of every pair asks for them."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if is_image(entry.name) and not entry.name.startswith(".")]


def _numbers(video: Video) -> Sequence[int]:
    return list(_names(video))


def _read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    folder, _ = _opened(video)
    names = _names(video)

    def frames() -> Iterator[Frame | Unreadable]:
        for number in wanted:
            try:
                if number not in names:
                    raise SampleError("no such frame")
                yield Frame(number, None, read_image(os.path.join(folder, names[number])))
            except SampleError as error:
                check_machine(error, f"{folder}/{names.get(number)}")
                yield Unreadable(number, str(error))

    return of_one_size(frames())


def _truth(video: Video, frame: int, next_frame: int) -> Truth | None:
    """Ground truth from a frame to the one after it in the folder; benchmarks give no other.

    Layouts, `{stem}` the frame's: `{flow}/{folder}/{stem}.flo` (MPI-Sintel; its `invalid` and `occlusions` beside the
    flow root hold), the same with `frame` in the stem written `flow` (Middlebury), or `.png` (KITTI).

    Raises:
        SampleError: the truth is damaged.
    """
    folder, root = _opened(video)
    names = _names(video)
    numbers = list(names)
    if root is None or frame not in names or numbers.index(frame) + 1 == len(numbers):
        return None
    if numbers[numbers.index(frame) + 1] != next_frame:
        return None
    name, stem = os.path.basename(os.path.normpath(folder)), os.path.splitext(names[frame])[0]
    found = _flow_file(os.path.join(root, name), stem, os.path.join(folder, names[frame]))
    if found is None:
        return None
    try:
        flow, valid = read_flo(found) if found.endswith(".flo") else read_kitti_png(found)
    except (ValueError, OSError) as error:
        raise SampleError(f"the ground-truth flow is {_fault(found) or 'damaged'}") from error
    check_beside(os.path.join(folder, names[frame]), valid.shape, "flow")
    beside = os.path.dirname(os.path.normpath(root))
    invalid = _mask(os.path.join(beside, "invalid", name, f"{stem}.png"), valid.shape)
    occlusion = _mask(os.path.join(beside, "occlusions", name, f"{stem}.png"), valid.shape)
    if invalid is not None:
        valid = valid & ~invalid
    return Truth(np.where(valid, flow, np.float32(0)), valid, occlusion)


def _fault(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return no_flow(file.read(32), os.path.splitext(path)[1])
    except OSError:
        return None


def _flow_names(stem: str) -> list[str]:
    """What the flow from a frame may be called, in the order in which it is looked for."""
    return [called + ending for ending in (".flo", ".png") for called in (stem, stem.replace("frame", "flow"))]


def _flow_file(folder: str, stem: str, image: str) -> str | None:
    for name in _flow_names(stem):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and not os.path.samefile(path, image):
            return path
    return None


def _mask(path: str, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """A mask file, white where it holds, or None where there is none."""
    if not os.path.isfile(path):
        return None
    image = read_image(path)
    if image.shape[:2] != shape:
        raise SampleError(f"a mask of {image.shape[1]}x{image.shape[0]} beside flow of {shape[1]}x{shape[0]}")
    return image[..., 0] > 127


SOURCE = Source(
    name="frames",
    options=FoldersOptions,
    videos=_videos,
    numbers=_numbers,
    read=_read,
    truth=_truth,
    select="all",
    state=_state,
    within=lambda video: " ".join(json.loads(video.uri)),
)
