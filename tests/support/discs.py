"""Images of two discs of one colour, and how well masks lie on them."""

import json
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_masks

from tests.support.coloured_net import canvas

HEIGHT, WIDTH = 192, 256
HOSTILE = "<img src=x onerror=alert(1)>.png"
ORANGE = (240, 140, 20)


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.hypot(columns - x, rows - y) < radius


LEFT, RIGHT = disc(80, 90, 50), disc(200, 60, 30)


def write_discs(folder: Path) -> Path:
    """Writes three images, so that a click on one disc takes both."""
    picture = canvas(HEIGHT, WIDTH)
    picture[LEFT | RIGHT] = ORANGE
    folder.mkdir()
    for name in (HOSTILE, "a.png", "b.png"):
        cv2.imwrite(str(folder / name), picture[..., ::-1])
    return folder


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


def saved_masks(path: Path) -> list[np.ndarray]:
    found = json.loads(path.read_bytes())
    return [coco_masks.decode(one["mask"]).astype(bool) for one in found["objects"]]
