"""Training CMP: the time it waits for data, and on a GPU the images a second of ResNet-50."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import torch

from benchmarks.inputs import SHORTER
from benchmarks.loader import resized
from benchmarks.reading import encoded, pairs, write_view
from trainers.data.split import Split
from trainers.data.views import open_views
from trainers.engine.loop import Run, fit
from trainers.engine.options import Machine, build
from trainers.engine.train import create_task
from trainers.methods.cmp.method import METHOD
from trainers.methods.cmp.options import CMPOptions

PUBLISHED = 249  # images/s of the paper's 16 GPUs together
SMALL = {
    "model": {"encoder": "resnet18"},
    "loss": {"bins": 63, "limit": 16.0},
    "transforms": {"shorter_side": 192, "crop": 96},
    "training": {"batch_size": 16, "learning_rate": 0.05, "precision": "bf16-mixed"},
}
LARGE = {"training": {"batch_size": 64, "precision": "bf16-mixed", "compile": True, "learning_rate": 0.01}}


def run() -> list[dict[str, Any]]:
    """The share of 20 iterations that waits for a worker process's data, beside loading in the training process.

    ResNet-18 on 96x96 crops, 16 a step, one thread of torch. On a GPU also ResNet-50 on 384x384 crops, compiled,
    channels last, bf16, 64 a step: steady images a second, loading included.
    """
    cv2.setNumThreads(1)
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_view(folder / "view", [encoded(n, *pair) for n, pair in enumerate(pairs(resized, (SHORTER, 555)))])
        small = build(CMPOptions, SMALL)
        waiting, inside = (_fit(folder, small, 20, Machine(workers, threads=1))["waiting"] for workers in (1, 0))
        rows = [
            {
                "what": "training: share of the time waiting for data (%)",
                "ours": round(100 * waiting, 1),
                "peer": round(100 * inside, 1),
                "ratio": round(inside / max(waiting, 1e-3), 1),
                "reach": "",
            },
            _gpu_row(folder),
        ]
    torch.set_num_threads(threads)
    return rows


def _gpu_row(folder: Path) -> dict[str, Any]:
    what = "training: ResNet-50, 384x384, on a GPU (images/s)"
    if not torch.cuda.is_available():
        return {"what": what, "ours": "not run: no GPU", "peer": PUBLISHED, "ratio": "", "reach": "1x"}
    options, machine = build(CMPOptions, LARGE), Machine(workers=8)
    few, many = 10, 110
    _fit(folder, options, few, machine)  # fills the compiler's cache
    seconds = [_fit(folder, options, iterations, machine)["seconds"] for iterations in (few, many)]
    rate = (many - few) * options.training.batch_size / (seconds[1] - seconds[0])
    return {"what": what, "ours": round(rate), "peer": PUBLISHED, "ratio": round(rate / PUBLISHED, 1), "reach": "1x"}


def _fit(folder: Path, options: CMPOptions, iterations: int, machine: Machine) -> Run:
    task = create_task(METHOD, options)
    transform = task.samples(train=True)
    samples = open_views([folder / "view"], transform, Split(), "train", needs=transform.needs)
    training = replace(options.training, iterations=iterations)
    with tempfile.TemporaryDirectory(dir=folder) as run:
        return fit(task, samples, None, training, Path(run), machine)
