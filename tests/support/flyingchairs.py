"""Lays out pairs of FlyingChairs as the source kind `frames` reads exact flow.

    python -m tests.support.flyingchairs ../shared/data/flow/flyingchairs FOLDER

gives `source: {kind: frames, path: FOLDER/frames/*, flow: FOLDER/flow}`. Only links are made. A pair has no
frame before, which a view of exact flow has: the first frame stands there a second time, and neither DIS nor deep
matching reads it.
"""

import sys
from pathlib import Path

FOLDERS = {"img1": ("frames/{}/frame_0000.ppm", "frames/{}/frame_0001.ppm"), "img2": ("frames/{}/frame_0002.ppm",)}
FLOW = ("flow/{}/frame_0001.flo",)
"""Where a file goes, by how its name ends."""


def lay_out(pairs: Path, to: Path) -> None:
    """Links each `NNNNN_img1.ppm`, `NNNNN_img2.ppm` and `NNNNN_flow.flo`."""
    for file in sorted(pairs.glob("*_*.*")):
        pair, kind = file.stem.split("_")
        for place in FOLDERS.get(kind, FLOW):
            link = to / place.format(pair)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.resolve())


if __name__ == "__main__":
    lay_out(*map(Path, sys.argv[1:]))
