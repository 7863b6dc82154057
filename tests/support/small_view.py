"""A small view, made by the pipeline's own writer, and what was put into it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.record import Record, record_path
from common_fate.shards.writer import write_shard

COUNTS = (7, 0, 9, 6)  # samples a shard: a planned shard may stay empty


@dataclass(frozen=True)
class View:
    """A view's folder and the truth about it: what each key was encoded from."""

    folder: Path
    images: dict[str, np.ndarray]
    flows: dict[str, np.ndarray]
    points: dict[str, np.ndarray]

    @property
    def keys(self) -> list[str]:
        return list(self.images)

    def tar(self, shard: int) -> Path:
        return self.folder / f"{shard:06d}.tar"

    def record(self, shard: int) -> Record:
        return Record.read(record_path(self.tar(shard)))

    def damage(self, shard: int, change: Callable[[bytearray], bytes | bytearray]) -> None:
        self.tar(shard).write_bytes(change(bytearray(self.tar(shard).read_bytes())))


def make_view(folder: Path, counts: tuple[int, ...] = COUNTS, seed: int = 0) -> View:
    view = View(folder, {}, {}, {})
    rng = np.random.default_rng(seed)
    for shard, count in enumerate(counts):
        samples = [_sample(view, f"clip{shard}-{3 * number:06d}", rng) for number in range(count)]
        failures = [
            {"key": f"clip{shard}-000100", "stage": "flow", "reason": "the flow has values that are not finite"}
        ]
        facts = {"stage": "cmp", "version": 1, "options": {}, "inputs": {}, "failures": failures}
        write_shard(view.tar(shard), samples, lambda facts=facts: facts)
    write_manifest(folder, [f"{shard:06d}" for shard in range(len(counts))], "a view")
    return view


def _sample(view: View, key: str, rng: np.random.Generator) -> tuple[str, dict[str, bytes]]:
    height, width = 24, 40
    image = cv2.resize(rng.integers(0, 256, (3, 5, 3), np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    view.images[key] = image
    view.flows[key] = (rng.integers(-1000, 1000, (2, height, width)) / 64).astype(np.float32)
    view.points[key] = rng.uniform(0, 24, (int(rng.integers(0, 4)), 3)).astype(np.float32)
    return key, {
        "jpg": cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes(),
        "flow.b2": encode("flow.b2", view.flows[key]),
        "guidance.npy": encode("guidance.npy", view.points[key]),
        "json": encode("json", {"video": key.partition("-")[0], "seconds": None}),
    }


@pytest.fixture(scope="session")
def pristine_view(tmp_path_factory: pytest.TempPathFactory) -> View:
    return make_view(tmp_path_factory.mktemp("view"))


@pytest.fixture
def view(pristine_view: View, tmp_path: Path) -> View:
    """A copy that a test may damage."""
    folder = tmp_path / "cmp"
    shutil.copytree(pristine_view.folder, folder)
    return View(folder, pristine_view.images, pristine_view.flows, pristine_view.points)


@pytest.fixture
def foreign_tar(tmp_path: Path) -> Path:
    """A whole shard of another dataset."""
    return make_view(tmp_path / "other", counts=(7,), seed=1).tar(0)
