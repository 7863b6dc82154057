"""The frames stage against the `ffmpeg` program writing the same JPEGs."""

import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from common_fate.datasets.catalog import Video
from pipeline.columns.frames.stage import STAGE, FramesOptions, resized_shape
from pipeline.stages.stage import Failure

CLIP = Path(__file__).resolve().parents[2] / "shared" / "data" / "video" / "bigbuckbunny.mp4"
EVERY = 5
REPEATS = 3


def run() -> list[dict[str, Any]]:
    """Processor milliseconds a stored frame: decode the whole clip, store every fifth frame as JPEG."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        clip = clip_in(Path(folder))
        ours, frames = _ours(clip)
        peer = _peer(clip, Path(folder), frames)
    return [
        {
            "what": f"frames: {clip.name}, decode, resize to 416, JPEG 95 (ms a frame)",
            "ours": ours,
            "peer": "not installed" if peer is None else peer,
            "ratio": None if peer is None else round(peer / ours, 2),
            "reach": "no slower than ffmpeg",
        }
    ]


def _ours(clip: Path) -> tuple[float, int]:
    options = FramesOptions(select={"every": EVERY})
    video = Video("clip", "videos", str(clip))
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        outcomes = list(STAGE.run(iter([("clip", {"video": video})]), options))
        seconds.append(time.process_time() - started)
        if any(isinstance(outcome, Failure) for outcome in outcomes):
            raise RuntimeError(f"{clip}: a frame failed")
    return round(1e3 * min(seconds) / len(outcomes), 2), len(outcomes)


def _peer(clip: Path, folder: Path, frames: int) -> float | None:
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        height, width = resized_shape(stream.height, stream.width, 416)
    # Area filter as ours, and -qscale 2, whose files are the closest in size to quality 95.
    filters = f"select=not(mod(n\\,{EVERY})),scale={width}:{height}:flags=area"
    output = ["-fps_mode", "passthrough", "-pix_fmt", "yuvj420p", "-q:v", "2", str(folder / "%06d.jpg")]
    threads = ["-threads", "1", "-filter_threads", "1"]
    command = [program, "-v", "error", *threads, "-i", str(clip), "-vf", filters, "-threads", "1", *output]
    seconds = []
    for _ in range(REPEATS):
        for old in folder.glob("*.jpg"):
            old.unlink()
        started = _children_seconds()
        subprocess.run(command, check=True)
        seconds.append(_children_seconds() - started)
        written = len(list(folder.glob("*.jpg")))
        if written != frames:
            raise RuntimeError(f"ffmpeg wrote {written} frames, and ours {frames}: not the same work")
    return round(1e3 * min(seconds) / frames, 2)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def clip_in(folder: Path) -> Path:
    """The clip, or one that is written into the folder."""
    return CLIP if CLIP.is_file() else _generated(folder / "clip.mp4")


def _generated(path: Path) -> Path:
    """A moving texture of 1280x720, 100 frames, for where no real clip is at hand."""
    texture = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    image = cv2.resize(texture, (1280, 720), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for step in range(100):
            frame = av.VideoFrame.from_ndarray(np.roll(image, 4 * step, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    for row in run():
        print(row)
