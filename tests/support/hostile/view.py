"""A good view of three samples, for a test to change, and what nobody may unpickle."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.writer import write_shard

KEYS = ["ape-000000", "ape-000001", "bee-000000"]
HEIGHT, WIDTH = 24, 32


@dataclass
class Payload:
    """Unpickling it writes the file."""

    marker: str

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


def good_members(number: int = 0, video: str = "ape") -> dict[str, bytes]:
    image = cv2.resize(np.random.default_rng(number).integers(0, 255, (3, 4, 3), np.uint8), (WIDTH, HEIGHT))
    return {
        "jpg": cv2.imencode(".jpg", image)[1].tobytes(),
        "flow.b2": encode("flow.b2", np.full((2, HEIGHT, WIDTH), number, np.float32)),
        "guidance.npy": encode("guidance.npy", np.array([[5, 6, 7]], np.float32)),
        "valid.png": encode("valid.png", np.full((HEIGHT, WIDTH), 255, np.uint8)),
        "json": encode("json", {"video": video, "next": number + 1}),
    }


def make_view(folder: Path, changed: Mapping[str, bytes] | None = None) -> Path:
    """A view of one shard of three samples; the members `changed` are the second sample's."""
    facts = {"stage": "cmp", "version": 1, "options": {}, "inputs": {}}
    samples = [(key, good_members(number, key[:3])) for number, key in enumerate(KEYS)]
    samples[1] = KEYS[1], samples[1][1] | (changed or {})
    write_shard(folder / "000000.tar", samples, lambda: facts)
    write_manifest(folder, ["000000"], "a view")
    return folder


def change_record(folder: Path, **changes: Any) -> None:
    path = folder / "000000.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
