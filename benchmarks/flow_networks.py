"""Flow networks, their cost volume and their warp against ptlflow's: a pair of 384x384 on the CPU, one thread."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import ptlflow
import torch
from ptlflow.models.liteflownet.warp import WarpingLayer
from ptlflow.utils.correlation import IterSpatialCorrelationSampler
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.reading import SIDE, pairs, square
from pipeline.columns.flow.networks import create_network
from pipeline.columns.flow.networks.layers import cost_volume, warp

ROUNDS = 3
NETWORKS: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "small": ("small", {}, "150 ms, forward"),
    "liteflownet": ("liteflownet", {}, "1x, liteflownet"),
    "selflow": ("selflow", {"frames": 3}, ""),
    "selflow of two frames": ("selflow", {"frames": 2}, ""),
}
"""Of each its name, options, and what is promised."""
PEERS = ("liteflownet", "pwcnet")
VOLUMES = ((32, 96, 4, 1), (64, 192, 3, 2))
"""Channels, side, radius and stride of PWC-Net's finest cost volume, and of LiteFlowNet's."""

Run = Callable[[], Tensor]


def run() -> list[dict[str, Any]]:
    """Milliseconds of processor time, forward without gradients, and forward and backward.

    All take turns on the same input, and the least of the rounds counts. Weights are random. ptlflow's networks are as
    it has them. The second peer of a cost volume is its definition: a product and a sum a shift.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = [row for volume in VOLUMES for row in _cost_volume(*volume)] + _warp() + _networks()
    torch.set_num_threads(threads)
    return rows


def shifted_products(first: Tensor, second: Tensor, radius: int) -> Tensor:
    """The cost volume as its definition has it."""
    height, width = first.shape[-2:]
    around = functional.pad(second, (radius,) * 4)
    shifts = range(2 * radius + 1)
    return torch.stack(
        [(first * around[:, :, dy : dy + height, dx : dx + width]).sum(1) for dy in shifts for dx in shifts], 1
    )


def _cost_volume(channels: int, side: int, radius: int, stride: int) -> list[dict[str, Any]]:
    first, second = (torch.randn(1, channels, side, side, requires_grad=True) for _ in range(2))
    sampler = IterSpatialCorrelationSampler(patch_size=2 * radius + 1, stride=stride, dilation_patch=stride)

    def thin(features: Tensor) -> Tensor:
        return features[:, :, ::stride, ::stride]

    sides = {
        "ours": lambda: cost_volume(thin(first), thin(second), radius),
        "ptlflow's": lambda: sampler(first, second).flatten(1, 2),
        "shift by shift": lambda: shifted_products(thin(first), thin(second), radius),
    }
    size = f"{channels}x{side // stride}x{side // stride}, radius {radius}"
    return [
        _row(f"cost volume: {size}, {what}; ptlflow's, and shift by shift", "1x", *least.values())
        for what, least in _times(sides, sides, (first, second)).items()
    ]


def _warp() -> list[dict[str, Any]]:
    features = torch.randn(1, 64, 192, 192, requires_grad=True)
    flow = (8 * torch.randn(1, 2, 192, 192)).requires_grad_()
    peer = WarpingLayer()
    sides = {"ours": lambda: warp(features, flow), "ptlflow's": lambda: peer(features, flow, 192, 192, 1.0)}
    return [
        _row(f"warp: 64x192x192, {what}; ptlflow's", "1x", *least.values())
        for what, least in _times(sides, sides, (features, flow)).items()
    ]


def _networks() -> list[dict[str, Any]]:
    frames = _frames()
    ours = {label: create_network(name, dict(options)).train() for label, (name, options, _) in NETWORKS.items()}
    peers = {name: ptlflow.get_model(name).train() for name in PEERS}
    flows: dict[str, Run] = {}
    losses: dict[str, Run] = {}
    for label, net in ours.items():
        read = frames[:, -getattr(net, "frames", 2) :]
        flows[label] = lambda net=net, read=read: net(read)
        losses[label] = lambda net=net, read=read: torch.cat([flow.flatten() for flow in net.levels(read)])
    images = frames[:, 1:].flip(2)  # theirs are OpenCV's
    for name, net in peers.items():
        flows[f"ptlflow's {name}"] = losses[f"ptlflow's {name}"] = lambda net=net: net({"images": images})["flows"]
    weights = [weight for net in (*ours.values(), *peers.values()) for weight in net.parameters()]
    against = " and ".join(f"{name} ({_millions(net)})" for name, net in peers.items())
    return [
        _row(
            f"{label} ({_millions(ours[label])}): {what}; ptlflow's {against}",
            reach,
            least[label],
            *(least[f"ptlflow's {name}"] for name in PEERS),
        )
        for what, least in _times(flows, losses, weights).items()
        for label, (_, _, reach) in NETWORKS.items()
    ]


def _frames() -> Tensor:
    """Three frames of a clip `(1, 3, 3, SIDE, SIDE)`."""
    cv2.setNumThreads(1)
    clip = pairs(square, (SIDE, SIDE))
    (before, this), (_, after) = next(clip), next(clip)
    images = [torch.from_numpy(image).permute(2, 0, 1) for image in (before, this, after)]
    return torch.stack(images)[None].float() / 255


def _millions(network: nn.Module) -> str:
    return f"{sum(weight.numel() for weight in network.parameters()) / 1e6:.2f} M"


def _times(
    forward: Mapping[str, Run], trained: Mapping[str, Run], inputs: Sequence[Tensor]
) -> dict[str, dict[str, float]]:
    """The least milliseconds of each side, of its forward and of its training step."""
    least: dict[str, dict[str, float]] = {"forward": {}, "forward and backward": {}}

    def once(what: str, name: str, call: Callable[[], object]) -> None:
        for tensor in inputs:
            tensor.grad = None
        started = time.process_time()
        call()
        taken = 1e3 * (time.process_time() - started)
        least[what][name] = min(least[what].get(name, taken), taken)

    for _ in range(ROUNDS):
        for name in forward:
            with torch.inference_mode():
                once("forward", name, forward[name])
            once("forward and backward", name, lambda name=name: trained[name]().square().mean().backward())
    return least


def _row(what: str, reach: str, ours: float, *peers: float) -> dict[str, Any]:
    return {
        "what": f"{what} (ms)",
        "ours": f"{ours:.1f}",
        "peer": ", ".join(f"{peer:.1f}" for peer in peers),
        "ratio": ", ".join(f"{peer / ours:.1f}" for peer in peers),
        "reach": reach,
    }
