"""Training cross-pixel flow similarity: samples a second, beside hypercolumns of all pixels; and what either takes."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.steps import of_steps
from pipeline.columns.flow.networks.encoders.hypercolumns import dense
from trainers.engine.options import build
from trainers.engine.train import create_task
from trainers.methods.similarity.method import METHOD
from trainers.methods.similarity.model import SimilarityNet
from trainers.methods.similarity.options import SimilarityOptions

SIDE, BATCH, REPEATS = 96, 8, 3
GIVEN = {
    "model": {"encoder": "resnet18"},
    "loss": {"pixels": 512},
    "transforms": {"shorter_side": SIDE, "crop": SIDE},
}


def run() -> list[dict[str, Any]]:
    """A step of ResNet-18 at 512 pixels of an image, from decoded images: samples and gradients, in one thread.

    The peer is the same step with hypercolumns of all pixels, and all that follows from them but the loss, which is of
    the same 512. Each is measured in a process of its own.
    """
    (ours, held), (peer, whole) = (_measured(everywhere) for everywhere in (False, True))
    what = f"similarity: resnet18, {SIDE}x{SIDE}, 512 pixels"
    return [
        {
            "what": f"{what} (samples/s)",
            **{"ours": round(ours, 1), "peer": round(peer, 1), "ratio": round(ours / peer, 2), "reach": "> 1"},
        },
        {
            "what": f"{what} (MB at the most)",
            **{"ours": round(held), "peer": round(whole), "ratio": round(whole / held, 2), "reach": "> 1"},
        },
    ]


class DenseNet(SimilarityNet):
    """Hypercolumns of all pixels, of which some are read at the end."""

    def forward(self, images: Tensor, points: Tensor) -> Tensor:
        activations = self._activations(images)
        columns = dense(activations, self.encoder.layers, images.shape[2:]).flatten(2).transpose(1, 2)
        hidden = F.relu(self.hidden_norm(self.hidden(columns).flatten(0, 1)))
        every = self.last(hidden).reshape(*columns.shape[:2], -1)
        rows = (points[..., 0] * images.shape[3] + points[..., 1]).long()
        return every.gather(1, rows[..., None].expand(-1, -1, every.shape[2]))


def step(everywhere: bool) -> tuple[float, float]:
    """Returns samples a second of processor time, and the most memory of the process, MB."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    options = build(SimilarityOptions, GIVEN)
    task = create_task(METHOD, options).train()
    if everywhere:
        task.net = DenseNet(options.model, options.loss)
    return of_steps(task, [_sample(number) for number in range(BATCH)], REPEATS)


def _measured(everywhere: bool) -> tuple[float, float]:
    code = f"from benchmarks.similarity import step; print(*step({everywhere}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    speed, held = map(float, done.stdout.split())
    return speed, held


def _sample(number: int) -> Mapping[str, Any]:
    rng = np.random.default_rng(number)
    noise = rng.random((12, 12, 5), np.float32)
    planes = cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    image, flow = torch.from_numpy(planes[:3].copy()), torch.from_numpy(8 * planes[3:] - 4)
    return {"key": f"noise{number}-000000", "epoch": 0, "image": image, "flow": flow}
