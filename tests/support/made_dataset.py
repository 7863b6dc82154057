"""A small dataset on disk, made by hand: three shards of one video each, with columns, truth, view and manifest."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common_fate.datasets.catalog import Video, read_catalog, read_plan, shard_digests, write_catalog, write_plan
from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.record import Record
from common_fate.shards.writer import write_shard
from pipeline.registry import VIEWS
from pipeline.views import build_view

VIDEOS = ("ape", "bee", "cat")
PAIRS = 4  # a video; the second pair of bee has no flow
HEIGHT, WIDTH = 48, 64
SHARDS = ["000000", "000001", "000002"]
LOST = "bee-000001"
ABOUT = {"bee": '{"attribution": "Bo", "colour": "black", "title": "A bee"}'}


def key(shard: int, frame: int) -> str:
    return f"{VIDEOS[shard]}-{frame:06d}"


def image(shard: int, frame: int) -> np.ndarray:
    noise = np.random.default_rng(shard).integers(0, 255, (6, 8, 3), np.uint8)
    return np.roll(cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), frame * (shard + 1), axis=1)


def true_flow(shard: int, frame: int) -> np.ndarray:
    """The right half of the frame moves right by 1, 11 and 41 px in the three shards."""
    flow = np.zeros((2, HEIGHT, WIDTH), np.float32)
    flow[0, :, WIDTH // 2 :] = (1, 11, 41)[shard]
    return flow


def points(shard: int, frame: int) -> np.ndarray:
    return np.array([[10 + 5 * i, 12 * i, 9] for i in range(shard + frame)], np.float32).reshape(-1, 3)


def make_dataset(folder: Path) -> Path:
    """Writes the dataset to `folder`, and returns it."""
    videos = [Video(video, "videos", f"/videos/{video}.mp4", "CC0", 100, ABOUT.get(video)) for video in VIDEOS]
    write_catalog(folder / "catalog.parquet", videos)
    write_plan(folder / "plan.json", [[video] for video in VIDEOS])
    for shard in range(len(SHARDS)):
        make_columns(folder, shard)
        make_view(folder, SHARDS[shard])
    make_manifest(folder)
    return folder


def make_manifest(folder: Path) -> None:
    write_manifest(folder / "shards/cmp", SHARDS, "small (cmp)", read_catalog(folder / "catalog.parquet"))


def make_view(folder: Path, shard: str) -> None:
    cmp = VIEWS["cmp"]
    build_view(cmp, {column: folder / column / f"{shard}.tar" for column in cmp.columns}, view_tar(folder, shard))


def view_tar(folder: Path, shard: str) -> Path:
    return folder / "shards/cmp" / f"{shard}.tar"


def make_columns(folder: Path, shard: int) -> None:
    plan = read_plan(folder / "plan.json")
    source = shard_digests(plan, read_catalog(folder / "catalog.parquet"))[shard]
    pairs = [frame for frame in range(PAIRS) if key(shard, frame) != LOST]
    lost = [{"key": LOST, "stage": "flow", "reason": "not finite"}] if len(pairs) < PAIRS else []
    size = {"width": _range([WIDTH]), "height": _range([HEIGHT])}
    speeds = [float(np.hypot(*true_flow(shard, frame)).mean()) for frame in pairs]
    fastest = [float(true_flow(shard, frame).max()) for frame in pairs]
    motion = {"magnitude_mean": _range(speeds), "magnitude_max": _range(fastest)}
    counts = {"points": _range([len(points(shard, frame)) for frame in pairs])}
    frames = _write(folder, "frames", shard, range(PAIRS + 1), {"source": source}, statistics=size)
    dis = {"estimator": "dis", "preset": "medium"}
    flow = _write(folder, "flow", shard, pairs, {"frames": frames.sha256}, dis, statistics=motion, failures=lost)
    _write(folder, "guidance", shard, pairs, {"flow": flow.sha256}, statistics=counts)
    _write(folder, "truth", shard, range(PAIRS), {"frames": frames.sha256, "source": source})


def members(column: str, shard: int, frame: int) -> dict[str, bytes]:
    following = frame + 1 if frame < PAIRS else None
    truth = true_flow(shard, frame)
    made: dict[str, Any] = {}
    if column == "frames":
        facts = {"video": VIDEOS[shard], "frame": frame, "seconds": frame / 25, "width": WIDTH, "height": HEIGHT}
        made = {"jpg": cv2.imencode(".jpg", image(shard, frame))[1].tobytes(), "json": facts | {"next": following}}
    elif column == "flow":
        made = {"flow.b2": truth + np.float32(0.5) * (truth > 0), "json": {"next": following, "clipped": 0}}
    elif column == "guidance":
        made = {"guidance.npy": points(shard, frame)}
    elif column == "truth":
        hidden = np.zeros((HEIGHT, WIDTH), np.uint8)
        hidden[:, -8:] = 255
        made = {
            "flow.b2": truth,
            "valid.png": np.full_like(hidden, 255),
            "occlusion.png": hidden,
            "json": {"next": following},
        }
    return {extension: encode(extension, value) for extension, value in made.items()}


def _write(
    folder: Path,
    column: str,
    shard: int,
    frames: Sequence[int],
    inputs: Mapping[str, str],
    options: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Record:
    samples = [(key(shard, frame), members(column, shard, frame)) for frame in frames]
    known = {"stage": column, "version": 1, "options": dict(options or {}), "inputs": dict(inputs), **facts}
    return write_shard(folder / column / f"{SHARDS[shard]}.tar", samples, lambda: known)


def _range(values: Sequence[float]) -> dict[str, float]:
    return {"mean": sum(values) / len(values), "min": min(values), "max": max(values)}
