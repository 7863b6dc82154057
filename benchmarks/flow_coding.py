"""The flow codec against KITTI's 16-bit PNG, which rounds to the same 1/64 pixel."""

import statistics
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import dis_flows, milliseconds
from common_fate.shards.flow_coding import decode_flow, encode_flow


def run() -> list[dict[str, Any]]:
    """Milliseconds and kilobytes a 384x384 field."""
    origin, flows = dis_flows()
    ours = [encode_flow(flow)[0] for flow in flows]
    peer = [encode_kitti(flow) for flow in flows]
    for flow, a, b in zip(flows, ours, peer, strict=True):
        assert np.abs(decode_flow(a) - flow).max() <= 1 / 128
        assert np.abs(decode_kitti(b) - flow).max() <= 1 / 128
    return [
        _row(
            f"flow encoding: 384x384, DIS flow of {origin} (ms)",
            milliseconds(encode_flow, flows, repeats=100),
            milliseconds(encode_kitti, flows, repeats=10),
            "1.5 ms",
        ),
        _row(
            "flow decoding (ms)",
            milliseconds(decode_flow, ours, repeats=100),
            milliseconds(decode_kitti, peer, repeats=20),
            "1.0 ms",
        ),
        _row("flow size (kB)", _mean_kilobytes(ours), _mean_kilobytes(peer), "72 kB"),
    ]


def encode_kitti(flow: NDArray[np.float32]) -> bytes:
    """Blue the valid bit, green v and red u, as KITTI's development kit has them."""
    steps = np.clip(np.rint(flow * 64) + 32768, 0, 65535).astype(np.uint16)
    pixels = np.dstack([np.ones_like(steps[0]), steps[1], steps[0]])
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())


def decode_kitti(payload: bytes) -> NDArray[np.float32]:
    pixels = cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_UNCHANGED)
    steps = pixels[:, :, 2:0:-1].transpose(2, 0, 1).astype(np.float32)
    return (steps - 32768) / 64


def _mean_kilobytes(payloads: list[bytes]) -> float:
    return statistics.mean(map(len, payloads)) / 1000


def _row(what: str, ours: float, peer: float, reach: str) -> dict[str, Any]:
    return {
        "what": what,
        "ours": round(ours, 2),
        "peer": round(peer, 1),
        "ratio": round(peer / ours, 1),
        "reach": reach,
    }
