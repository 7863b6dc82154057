"""Reading a `cmp` view, decoded, against loose files, a stock webdataset pipeline and litdata: one process each."""

import itertools
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import litdata
import numpy as np
import torch
import webdataset as wds
from litdata.streaming.writer import BinaryWriter
from numpy.typing import NDArray

from common_fate.foreign.flow_files import read_kitti_png, write_kitti_png
from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.writer import write_shard
from common_fate.torch import EpochSampler, Sample, ShardDataset, stream
from common_fate.torch.sample import to_sample
from pipeline.columns.guidance import GuidanceOptions, watershed_points

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "video"
NAMES = ("bikes.mp4", "bigbuckbunny.mp4", "cockatoo.mp4", "realshort.mp4")
SIDE, SAMPLES, SHARDS, ROUNDS = 384, 256, 4, 7
Image = NDArray[np.uint8]


def run() -> list[dict[str, Any]]:
    """Samples a second of processor time: image, flow and guidance points at 384x384 as a trainer gets them.

    Every reader gives the same samples: webdataset decodes with our codecs; litdata its JPEG as it does itself
    (torchvision), the rest with our codecs, and in another row all with them; the loose files are JPEG, KITTI PNG and
    `.npy`. All read from the page cache. The readers take turns, and the best of seven turns counts.
    """
    cv2.setNumThreads(1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder)
        dataset = ShardDataset(folder / "view")
        readers: dict[str, Callable[[], Iterator[Sample]]] = {
            "by offsets, shuffled": lambda: (dataset[index] for index in EpochSampler(len(dataset), seed=0)),
            "stream": lambda: iter(stream(folder / "view")),
            "loose JPEG, KITTI PNG and npy": lambda: _loose(folder / "loose"),
            "stock webdataset": lambda: _webdataset(folder / "view"),
            "litdata": lambda: _litdata(folder / "litdata"),
            "litdata, our decoding": lambda: _litdata(folder / "litdata_bytes"),
        }
        rates = _rates(readers)
    torch.set_num_threads(threads)
    ours, streamed = rates.pop("by offsets, shuffled"), rates.pop("stream")
    reach = {"loose JPEG, KITTI PNG and npy": "3x", "litdata": "1.1x"}
    rows = [
        _row(f"reading, shuffled: {peer} (samples/s)", ours, rate, reach.get(peer, "no slower"))
        for peer, rate in rates.items()
    ]
    return [*rows, _row("reading, streamed: stock webdataset (samples/s)", streamed, rates["stock webdataset"], "-")]


def _row(what: str, ours: float, peer: float, reach: str) -> dict[str, Any]:
    return {"what": what, "ours": round(ours), "peer": round(peer), "ratio": round(ours / peer, 2), "reach": reach}


def _rates(readers: dict[str, Callable[[], Iterator[Sample]]]) -> dict[str, float]:
    best = dict.fromkeys(readers, float("inf"))
    truth = None
    for _ in range(ROUNDS):
        for name, read in readers.items():
            started = time.process_time()
            check = sum(float(sample["flow"][0, 7, 7]) + float(sample["image"][0, 7, 7]) for sample in read())
            best[name] = min(best[name], time.process_time() - started)
            truth = check if truth is None else truth
            if abs(check - truth) > 1e-3:
                raise RuntimeError(f"{name} does not read the same samples as the others ({check}, {truth})")
    return {name: SAMPLES / seconds for name, seconds in best.items()}


def _loose(folder: Path) -> Iterator[Sample]:
    keys = [path.stem for path in folder.glob("*.jpg")]
    random.Random(0).shuffle(keys)
    for key in keys:
        image = cv2.imread(str(folder / f"{key}.jpg"), cv2.IMREAD_COLOR_RGB)
        planes = np.ascontiguousarray(image.transpose(2, 0, 1))
        yield {
            "key": key,
            "image": torch.from_numpy(planes).float() / 255,
            "flow": torch.from_numpy(read_kitti_png(folder / f"{key}.png")[0]),
            "guidance": torch.from_numpy(np.load(folder / f"{key}.npy")),
            "json": json.loads((folder / f"{key}.json").read_bytes()),
        }


def _webdataset(folder: Path) -> Iterator[Sample]:
    def decoded(sample: dict[str, Any]) -> Sample:
        members = {name: data for name, data in sample.items() if not name.startswith("__")}
        return to_sample(sample["__key__"], members, 0)

    tars = sorted(map(str, folder.glob("*.tar")))
    return iter(wds.WebDataset(tars, shardshuffle=False).shuffle(100, seed=0).map(decoded))


def _litdata(folder: Path) -> Iterator[Sample]:
    for sample in litdata.StreamingDataset(str(folder), shuffle=True):
        image = sample.pop("jpg") if torch.is_tensor(sample["jpg"]) else None
        members = {name: bytes(data) for name, data in sample.items()}  # litdata also gives views of its files
        decoded = to_sample(members.pop("key").decode(), members, 0)
        if image is not None:
            # Of what torch offers, the fastest way from (3, H, W) uint8 whose channels lie together to what we give.
            decoded["image"] = image.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
        yield decoded


def _prepare(folder: Path) -> None:
    """The same samples as a view, as loose files, and as litdata writes them: JPEG as such, and as mere bytes."""
    samples = [encoded(number, *pair) for number, pair in enumerate(_pairs())]
    write_view(folder / "view", samples)
    (folder / "loose").mkdir()
    for key, members in samples:
        decoded = to_sample(key, members, 0)
        (folder / "loose" / f"{key}.jpg").write_bytes(members["jpg"])
        (folder / "loose" / f"{key}.json").write_bytes(members["json"])
        (folder / "loose" / f"{key}.npy").write_bytes(members["guidance.npy"])
        write_kitti_png(folder / "loose" / f"{key}.png", decoded["flow"].numpy())
    # What `litdata.optimize` writes with; that itself starts processes and empties /tmp/data and /tmp/chunks.
    jpeg = litdata.Jpeg
    for name, image in (("litdata", lambda data: jpeg(bytes=data)), ("litdata_bytes", bytes)):
        writer = BinaryWriter(str(folder / name), chunk_bytes="64MB")
        for number, (key, members) in enumerate(samples):
            writer[number] = {"key": key.encode(), **members, "jpg": image(members["jpg"])}
        writer.done()
        writer.merge()


def write_view(folder: Path, samples: list[tuple[str, dict[str, bytes]]]) -> None:
    """A view of `SHARDS` shards of equal size."""
    size = len(samples) // SHARDS
    for number in range(SHARDS):
        part = samples[number * size : (number + 1) * size]
        facts = {"stage": "cmp", "version": 1, "options": {}, "inputs": {}}
        write_shard(folder / f"{number:06d}.tar", part, lambda facts=facts: facts)
    write_manifest(folder, [f"{number:06d}" for number in range(SHARDS)], "benchmark")


def encoded(number: int, first: Image, second: Image) -> tuple[str, dict[str, bytes]]:
    """The key and members of a sample of a `cmp` view: an image, the DIS flow to the second, and its key-points."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    flow = np.ascontiguousarray(search.calc(*grey, None).transpose(2, 0, 1))
    height, width = first.shape[:2]
    facts = {"video": "clip", "frame": number, "seconds": number / 25, "width": width, "height": height, "clipped": 0}
    bgr = cv2.cvtColor(first, cv2.COLOR_RGB2BGR)
    return f"clip-{number:06d}", {
        "jpg": cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes(),
        "flow.b2": encode("flow.b2", flow),
        "guidance.npy": encode("guidance.npy", watershed_points(flow, GuidanceOptions())),
        "json": encode("json", facts),
    }


def _pairs() -> Iterator[tuple[Image, Image]]:
    return pairs(square, (SIDE, SIDE))


def pairs(resized: Callable[[Image], Image], photograph: tuple[int, int]) -> Iterator[tuple[Image, Image]]:
    """Consecutive frames of the real clips, or where there are none, of photographs that move a little.

    Args:
        resized: applied to each frame.
        photograph: height and width of a frame of a photograph.
    """
    clips = [CLIPS / name for name in NAMES if (CLIPS / name).is_file()]
    real = itertools.chain.from_iterable(_clip_pairs(clip, resized) for clip in clips)
    return itertools.islice(itertools.chain(real, _photograph_pairs(*photograph)), SAMPLES)


def _clip_pairs(clip: Path, resized: Callable[[Image], Image]) -> Iterator[tuple[Image, Image]]:
    with av.open(str(clip)) as container:
        frames = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        yield from itertools.islice(itertools.pairwise(map(resized, frames)), SAMPLES // len(NAMES))


def _photograph_pairs(height: int, width: int) -> Iterator[tuple[Image, Image]]:
    from skimage import data

    larger = (width + 66, height + 66)
    photographs = [cv2.resize(picture, larger) for picture in (data.astronaut(), data.chelsea(), data.coffee())]
    rng = np.random.default_rng(0)
    for photograph in itertools.cycle(photographs):
        y, x, down, right = (int(value) for value in rng.integers(0, 30, 4))
        first = photograph[y : y + height, x : x + width]
        second = photograph[y + down : y + down + height, x + right : x + right + width]
        yield np.ascontiguousarray(first), np.ascontiguousarray(second)


def square(image: Image) -> Image:
    height, width = image.shape[:2]
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    way = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    return cv2.resize(image[y : y + side, x : x + side], (SIDE, SIDE), interpolation=way)


if __name__ == "__main__":
    for row in run():
        print(row)
