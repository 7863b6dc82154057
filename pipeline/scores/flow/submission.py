"""A dataset's flow as the servers of benchmarks take it: their folders and names, at the size of the original frames.

Sintel as the readme of its bundler has it, KITTI as those of its development kits of 2012 and 2015, Middlebury as its
data set names the exact flow.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.catalog import Video, read_catalog
from common_fate.datasets.export import check_elsewhere, write_new
from common_fate.datasets.parts import CATALOG, shards_in
from common_fate.errors import SampleError, ShardError, UserError
from common_fate.foreign.flow_files import flo_bytes, kitti_png_bytes
from common_fate.progress import progress
from common_fate.shards.column import sound_shard
from common_fate.shards.folders import alone
from common_fate.shards.keys import frame_key
from common_fate.shards.record import Record, record_path
from pipeline.sources import SOURCES
from pipeline.sources.archived import place_of
from pipeline.sources.source import Frame

Flow = NDArray[np.float32]
MAKE = "make flow with frames: {pairs: {offset: 1}} and without min_motion"


@dataclass(frozen=True)
class Server:
    """What a server takes.

    Args:
        kind: of the source whose videos it is about.
        wanted: from the numbers of a video's frames those whose flow to the frame after it asks for.
        file: the path of the file of one, from its video and number.
        encode: to the file.
    """

    kind: str
    wanted: Callable[[Sequence[int]], Iterable[int]]
    file: Callable[[Video, int], str]
    encode: Callable[[Flow], bytes]


def _all_but_the_last(numbers: Sequence[int]) -> Iterable[int]:
    return numbers[:-1]


def _tenth(numbers: Sequence[int]) -> Iterable[int]:
    return [number for number in numbers if number == 10]


def _sintel(video: Video, number: int) -> str:
    """By pass and scene: `place_of(video).frames` is `test/final/ambush_1/*`."""
    _, rendering, scene, _ = place_of(video).frames.split("/")
    return f"{rendering}/{scene}/frame_{number:04d}.flo"


def _kitti(video: Video, number: int) -> str:
    """By scene: `place_of(video).frames` is `testing/image_2/000000_*`."""
    return f"{place_of(video).frames.split('/')[-1][:6]}_{number:02d}.png"


def _middlebury(video: Video, number: int) -> str:
    return f"{Path(json.loads(video.uri)['folder']).name}/flow{number:02d}.flo"


def _kitti_png(flow: Flow) -> bytes:
    return kitti_png_bytes(flow)[0]


SERVERS = {
    "sintel": Server("sintel", _all_but_the_last, _sintel, flo_bytes),
    "kitti2015": Server("kitti", _tenth, lambda video, number: f"flow/{_kitti(video, number)}", _kitti_png),
    "kitti2012": Server("kitti", _tenth, _kitti, _kitti_png),
    "middlebury": Server("frames", _tenth, _middlebury, flo_bytes),
}


def export_flow(dataset: Path, to: Path, server: str) -> int:
    """Writes a dataset's flow to a folder as a server takes it; returns how many files there are.

    Flow of frames that were made smaller is resized to the size of the originals, see `resized_flow`. A file that is
    there with the same bytes stays.

    Args:
        dataset: `results/NAME`, whose originals are where its catalog says.
        server: of `SERVERS`.

    Raises:
        UserError: the dataset is of another source, lacks flow that the server asks for, or an original cannot be
            read; the folder lies in a dataset, or holds another file under one of the names.
        ShardError: a shard is damaged.
    """
    layout = SERVERS[server]
    videos = {video.video: video for video in read_catalog(dataset / CATALOG)}
    if others := {video.kind for video in videos.values()} - {layout.kind}:
        raise UserError(f"{dataset}: is of the kind {min(others)}, and {server} takes flow of the kind {layout.kind}")
    wanted = _wanted(layout, videos.values())
    if not wanted:
        raise UserError(f"{dataset}: has no frame whose flow {server} asks for")
    shards = _shards_of(dataset, server, wanted)
    with alone(to):
        check_elsewhere(to)
        done = progress(_written(shards, wanted, to, layout), len(wanted), f"flow for {server} (files)")
        return sum(1 for _ in done)


def resized_flow(flow: Flow, height: int, width: int) -> Flow:
    """Returns flow `(2, H, W)` at another size: bilinear, u scaled by the width ratio and v by the height ratio."""
    if flow.shape[1:] == (height, width):
        return flow
    scale = np.array([width / flow.shape[2], height / flow.shape[1]], np.float32)
    resized = cv2.resize(flow.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_LINEAR) * scale
    return np.ascontiguousarray(resized.transpose(2, 0, 1))


Wanted = Mapping[str, tuple[Video, int]]
"""Videos and frames by key."""


def _wanted(layout: Server, videos: Iterable[Video]) -> Wanted:
    found: dict[str, tuple[Video, int]] = {}
    for video in videos:
        try:
            numbers = SOURCES[video.kind].numbers(video)
        except SampleError as error:
            raise _unreadable(video, error) from error
        found |= {frame_key(video.video, number): (video, number) for number in layout.wanted(numbers)}
    return found


def _shards_of(dataset: Path, server: str, wanted: Wanted) -> dict[Path, list[str]]:
    """The keys that are wanted of each shard of flow."""
    tars = [dataset / "flow" / f"{name}.tar" for name in shards_in(dataset / "flow")]
    found = {tar: [key for key in Record.read(record_path(tar)).keys if key in wanted] for tar in tars}
    if lacking := wanted.keys() - {key for keys in found.values() for key in keys}:
        raise UserError(
            f"{dataset}: has no flow of {min(lacking)} ({len(lacking)} of {len(wanted)} that {server} asks for): {MAKE}"
        )
    return found


def _written(shards: Mapping[Path, Sequence[str]], wanted: Wanted, to: Path, layout: Server) -> Iterator[Path]:
    size = lru_cache(maxsize=1)(_size)
    for tar, keys in shards.items():
        with sound_shard(tar) as shard:
            for key in keys:
                video, number = wanted[key]
                try:
                    sample = shard[key]
                    flow, following = sample["flow.b2"], sample["json"]["next"]
                except (ValueError, KeyError) as error:
                    raise ShardError(f"{tar}: {key}: {error}") from error
                if following != number + 1:
                    raise UserError(f"{tar}: {key}: leads to frame {following}: {MAKE}")
                data = layout.encode(resized_flow(flow, *size(video)))
                write_new(to / layout.file(video, number), data)
                yield tar


def _size(video: Video) -> tuple[int, int]:
    """Height and width of a video's own frames, which are of one size."""
    source = SOURCES[video.kind]
    [frame] = source.read(video, [source.numbers(video)[0]])
    if not isinstance(frame, Frame):
        raise _unreadable(video, frame.reason)
    return frame.image.shape[0], frame.image.shape[1]


def _unreadable(video: Video, reason: object) -> UserError:
    return UserError(f"{video.video}: {reason}: the size that the server asks for is that of the original frames")
