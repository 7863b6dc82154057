"""Toy videos with exact flow: a coloured stick that moves and turns over a grey background."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.writer import write_shard

SIDE, FRAMES = 48, 9
HALF = np.array([16.0, 6.0])


def pose(video: int, frame: int) -> tuple[float, NDArray[np.float64]]:
    """The stick's angle, and its centre (x, y)."""
    rng = np.random.default_rng(video)
    angle, turn = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.3)
    centre, step = rng.uniform(20, 28, 2), rng.uniform(-0.7, 0.7, 2)
    return angle + turn * frame, centre + step * frame


def rotation(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def picture(video: int, frame: int, still: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A frame `(SIDE, SIDE, 3)`, RGB, and the flow to the next one, `(2, SIDE, SIDE)`; 0 beside the stick."""
    (angle, centre), (then, there) = pose(video, frame), pose(video, frame if still else frame + 1)
    line = np.arange(SIDE)
    pixels = np.stack(np.meshgrid(line, line), axis=-1).astype(np.float64)
    own = (pixels - centre) @ rotation(angle)
    within = (np.abs(own) <= HALF).all(axis=-1)
    along, across = own[..., 0] / HALF[0], own[..., 1] / HALF[1]
    colours = np.stack([128 + 120 * along, 128 + 120 * np.cos(3 * along), 128 + 100 * across], axis=-1)
    flow = np.rint(64 * (own @ rotation(then).T + there - pixels)) / 64  # as shards have it
    image = np.where(within[..., None], colours, 90).astype(np.uint8)
    return image, np.where(within, flow.transpose(2, 0, 1), 0).astype(np.float32)


def write_view(folder: Path, videos: int = 4, still: bool = False) -> Path:
    """Writes a view `objects_truth` of sticks, a shard a video, and returns its folder."""
    for video in range(videos):
        samples = []
        for frame in range(FRAMES - 1):
            image, flow = picture(video, frame, still)
            after, _ = picture(video, frame if still else frame + 1, still)
            valid = np.full((SIDE, SIDE), 255, np.uint8)
            members = {
                "jpg": _jpeg(image),
                "next.jpg": _jpeg(after),
                "truth.flow.b2": encode("flow.b2", flow),
                "truth.valid.png": encode("valid.png", valid),
                "json": encode("json", {"video": f"stick{video}", "frame": frame}),
            }
            samples.append((f"stick{video}-{frame:06d}", members))
        facts = {"stage": "objects_truth", "version": 1, "options": {}, "inputs": {}, "failures": []}
        write_shard(folder / f"{video:06d}.tar", samples, lambda facts=facts: facts)
    write_manifest(folder, [f"{video:06d}" for video in range(videos)], "sticks")
    return folder


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
