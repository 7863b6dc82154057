"""Training: the time that CMP and SelFlow wait for data, and on a GPU the images a second of ResNet-50."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.inputs import SHORTER
from benchmarks.loader import resized
from benchmarks.reading import encoded, pairs, write_view
from common_fate.shards.codecs import encode
from pipeline.columns.frames.stage import FramesOptions
from pipeline.sources.synthetic import SOURCE, SyntheticOptions
from trainers.data.split import Split
from trainers.data.views import open_views
from trainers.declarations import Method
from trainers.engine.loop import Run, fit
from trainers.engine.options import Machine, build
from trainers.engine.train import create_task
from trainers.methods.cmp.method import METHOD as CMP
from trainers.methods.selflow.method import METHOD as SELFLOW

PUBLISHED = 249  # images/s of the paper's 16 GPUs together
SMALL = {
    "model": {"encoder": "resnet18"},
    "loss": {"bins": 63, "limit": 16.0},
    "transforms": {"shorter_side": 192, "crop": 96},
    "training": {"batch_size": 16, "learning_rate": 0.05, "precision": "bf16-mixed"},
}
RENDERED = SyntheticOptions(videos=16, frames=4, height=256, width=320)
LARGE = {"training": {"batch_size": 64, "precision": "bf16-mixed", "compile": True, "learning_rate": 0.01}}


def run() -> list[dict[str, Any]]:
    """The share of the iterations that waits for worker processes' data, beside loading in the training process.

    CMP: 20 iterations of ResNet-18 on 96x96 crops, 16 a step, one worker. SelFlow: 20 of its recipe `small`, 8 crops of
    128x128 from frames of 256x320 a step, two workers. One thread of torch. On a GPU also ResNet-50 on 384x384 crops,
    compiled, channels last, bf16, 64 a step: steady images a second, loading included.
    """
    cv2.setNumThreads(1)
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_view(folder / "cmp", [encoded(n, *pair) for n, pair in enumerate(pairs(resized, (SHORTER, 555)))])
        write_view(folder / "flow", list(_rendered()))
        rows = [
            _waiting_row("training CMP, ResNet-18", folder / "cmp", CMP, SMALL, 1, ""),
            _waiting_row(
                "training SelFlow, recipe small", folder / "flow", SELFLOW, SELFLOW.recipes["small"], 2, "5 %"
            ),
            _gpu_row(folder / "cmp"),
        ]
    torch.set_num_threads(threads)
    return rows


def _waiting_row(what: str, view: Path, method: Method, given: Any, workers: int, reach: str) -> dict[str, Any]:
    options = build(method.options, given)
    waiting, inside = (_fit(view, method, options, 20, Machine(count, threads=1))["waiting"] for count in (workers, 0))
    return {
        "what": f"{what}: share of the time waiting for data, {workers} workers (%)",
        "ours": round(100 * waiting, 1),
        "peer": round(100 * inside, 1),
        "ratio": round(inside / max(waiting, 1e-3), 1),
        "reach": reach,
    }


def _rendered() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Samples of a `flow` view: of each video those frames that have both neighbours."""
    assert SOURCE.truth is not None
    quality = [cv2.IMWRITE_JPEG_QUALITY, FramesOptions().jpeg_quality]
    for video in SOURCE.videos(RENDERED, ""):
        frames = SOURCE.read(video, SOURCE.numbers(video))
        jpegs = [cv2.imencode(".jpg", frame.image[..., ::-1], quality)[1].tobytes() for frame in frames]
        for number in range(1, RENDERED.frames - 1):
            truth = SOURCE.truth(video, number, number + 1)
            yield (
                f"{video.video}-{number:06d}",
                {
                    "previous.jpg": jpegs[number - 1],
                    "jpg": jpegs[number],
                    "next.jpg": jpegs[number + 1],
                    "truth.flow.b2": encode("flow.b2", truth.flow),
                    "truth.valid.png": encode("valid.png", truth.valid.astype(np.uint8) * np.uint8(255)),
                    "truth.occlusion.png": encode("occlusion.png", truth.occlusion.astype(np.uint8) * np.uint8(255)),
                    "json": encode("json", {"video": video.video, "frame": number}),
                },
            )


def _gpu_row(view: Path) -> dict[str, Any]:
    what = "training: ResNet-50, 384x384, on a GPU (images/s)"
    if not torch.cuda.is_available():
        return {"what": what, "ours": "not run: no GPU", "peer": PUBLISHED, "ratio": "", "reach": "1x"}
    options, machine = build(CMP.options, LARGE), Machine(workers=8)
    few, many = 10, 110
    _fit(view, CMP, options, few, machine)  # fills the compiler's cache
    seconds = [_fit(view, CMP, options, iterations, machine)["seconds"] for iterations in (few, many)]
    rate = (many - few) * options.training.batch_size / (seconds[1] - seconds[0])
    return {"what": what, "ours": round(rate), "peer": PUBLISHED, "ratio": round(rate / PUBLISHED, 1), "reach": "1x"}


def _fit(view: Path, method: Method, options: Any, iterations: int, machine: Machine) -> Run:
    task = create_task(method, options)
    transform = task.samples(train=True)
    samples = open_views([view], transform, Split(), "train", needs=transform.needs, reads=transform.needs)
    training = replace(options.training, iterations=iterations, warmup=0)
    with tempfile.TemporaryDirectory() as run:
        return fit(task, samples, None, training, Path(run), machine)
