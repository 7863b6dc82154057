"""Lays out the scenes of `shared/data/sintel_more` as the source kind `frames` reads exact flow.

    python -m tests.support.sintel_more ../shared/data/sintel_more FOLDER

gives `source: {kind: frames, path: FOLDER/frames/*, flow: FOLDER/flow}`. Only links are made.
"""

import sys
from pathlib import Path

FOLDERS = {"frame": "frames", "flow": "flow", "invalid": "invalid", "occluded": "occlusions"}
"""Where a file goes, by how its name begins."""


def lay_out(scenes: Path, to: Path) -> None:
    """Links each `SCENE/KIND_NNNN.png` as `FOLDER/SCENE/frame_NNNN.png`."""
    for file in sorted(scenes.glob("*/*_*.png")):
        kind, number = file.stem.split("_")
        link = to / FOLDERS[kind] / file.parent.name / f"frame_{number}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())


if __name__ == "__main__":
    lay_out(*map(Path, sys.argv[1:]))
