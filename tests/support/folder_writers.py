"""Every command that writes a folder, on one and the same folder: `results/x`."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tests.support.clips import write_clip
from tests.support.made_dataset import make_dataset
from tests.support.sharing_commands import pipeline

VIEWS = ("made/small/shards/cmp", "made/other/shards/cmp")
WRITERS = {
    "adopt": ("adopt", "received", "--dataset", "x"),
    "join": ("adopt", "columns", "--dataset", "x", "--videos", "clips/*.mp4"),
    "merge": ("merge", *VIEWS, "--dataset", "x"),
    "split": ("split", VIEWS[0], "--train", "x", "--val", "y", "--hold-out", "0.4"),
    "split off": ("split", VIEWS[0], "--train", "y", "--val", "x", "--hold-out", "0.4"),
    "share": ("share", VIEWS[0], "--to", "results/x"),
    "share columns": ("share", VIEWS[0], "--without-pixels", "--to", "results/x"),
    "export": ("export", VIEWS[0], "--to", "results/x", "--key", "ape-000000", "--key", "cat-000002"),
    "fetch": ("fetch", "{url}", "--to", "results/x"),
    "catalog": ("catalog", "results/x", "--source", '{"kind": "synthetic", "videos": 2}', "--videos-per-shard", "1"),
}
"""By name; each finds what it needs in a `lab`, and makes `results/x` anew."""


def make_lab(place: Path) -> None:
    """Writes what the commands start from: two datasets with a view, one of them as another lab has it, and columns
    without pixels with the videos that they are of.
    """
    for name in ("small", "other"):
        make_dataset(place / "made" / name)
    shared = pipeline(place, "share", VIEWS[0], "--to", "received")
    assert shared.returncode == 0, shared.stderr
    noise = np.random.default_rng(0).integers(0, 255, (9, 12, 3), np.uint8)

    def draw(number: int, width: int, height: int) -> np.ndarray:
        return np.roll(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), 5 * number, axis=1)

    (place / "clips").mkdir()
    (place / "results").mkdir()
    for name in ("one", "two"):
        write_clip(place / f"clips/{name}.mp4", 3, "mjpeg", size=(64, 48), draw=draw)
    film = place / "films"
    source = json.dumps({"kind": "videos", "path": "clips/*.mp4"})
    commands = [("catalog", film, "--source", source, "--videos-per-shard", 1)]
    for tar in ("000000.tar", "000001.tar"):
        commands += [("frames", film / "plan.json", "--to", film / "frames" / tar)]
        commands += [("flow", film / "frames" / tar, "--to", film / "flow" / tar)]
        commands += [("guidance", film / "flow" / tar, "--to", film / "guidance" / tar)]
    commands += [("share", film / "flow", film / "guidance", "--to", "columns")]
    for command in commands:
        done = pipeline(place, *command)
        assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Lab:
    """A folder in which the commands run, and the address of what `fetch` copies."""

    place: Path
    url: str

    def command(self, name: str) -> list[str]:
        return [part.format(url=self.url) if part == "{url}" else part for part in WRITERS[name]]
