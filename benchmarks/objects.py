"""Training object frames: samples a second, beside a loss that holds the whole correlation; and what either takes."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.steps import of_steps
from trainers.engine.options import build
from trainers.engine.train import create_task
from trainers.methods.objects.method import METHOD
from trainers.methods.objects.options import ObjectsOptions

SIDE, BATCH, REPEATS = 96, 16, 3
SETTINGS: dict[str, dict[str, Any]] = {
    "3-d": {"model": {"dimensions": 3}},
    "64-d, one auxiliary image": {"model": {"dimensions": 64}, "loss": {"auxiliary": 1}},
}


def run() -> list[dict[str, Any]]:
    """A step of the network `simple` on pairs by warp, from decoded images: samples and gradients, in one thread.

    Every pixel counts that is in both images, which is the most that there is to compare. The peer is the same step
    whose loss is written with whole matrices, and left to autograd. Each is measured in a process of its own.
    """
    rows = []
    for name in SETTINGS:
        (ours, held), (peer, whole) = (_measured(name, memory) for memory in ("blocks", "whole"))
        what = f"objects: simple, {SIDE}x{SIDE}, {name}"
        rows.append(
            {
                "what": f"{what} (samples/s)",
                **{"ours": round(ours, 1), "peer": round(peer, 1), "ratio": round(ours / peer, 2), "reach": "> 1"},
            }
        )
        rows.append(
            {
                "what": f"{what} (MB at the most)",
                **{"ours": round(held), "peer": round(whole), "ratio": round(whole / held, 2), "reach": "> 1"},
            }
        )
    return rows


def _measured(name: str, memory: str) -> tuple[float, float]:
    code = f"from benchmarks.objects import step; print(*step({name!r}, {memory!r}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    speed, held = map(float, done.stdout.split())
    return speed, held


def step(name: str, memory: str) -> tuple[float, float]:
    """Returns samples a second of processor time, and the most memory of the process, MB."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    setting = SETTINGS[name]
    given = {"pairs": "warp", "transforms": {"shorter_side": SIDE, "crop": SIDE}, "model": setting["model"]}
    options = build(ObjectsOptions, given | {"loss": setting.get("loss", {}) | {"memory": memory}})
    task = create_task(METHOD, options).train()
    return of_steps(task, [_sample(number) for number in range(BATCH)], REPEATS)


def _sample(number: int) -> Mapping[str, Any]:
    noise = np.random.default_rng(number).random((12, 12, 3), np.float32)
    image = cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    return {"key": f"noise{number}-000000", "epoch": 0, "image": torch.from_numpy(image.copy())}
