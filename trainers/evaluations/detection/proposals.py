"""Where objects may be: selective search, as OpenCV has it, kept on disk.

Uijlings et al., "Selective Search for Object Recognition", IJCV 2013, the fast variant. Images are searched at no more
than `LONGEST` pixels, about the size of VOC's.
"""

import hashlib
import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.shards.files import write_atomic
from trainers.data.transforms import generator

LONGEST = 500  # pixels
LEAST = 8  # pixels, of a proposal's sides on an image of that size; smaller images have smaller ones
VERSION = 1


class SelectiveSearch:
    """From an image's key and pixels to boxes `(N, 4)` float32 that may have an object, in a fixed order.

    Each image is searched once: what is found stays in `folder`, in a file named by the image's pixels.

    Args:
        most: boxes of an image; of more of them some are drawn, the same each time.
    """

    def __init__(self, folder: Path, most: int, seed: int) -> None:
        self.folder, self.most, self.seed = folder, most, seed

    def __call__(self, key: str, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        boxes = self._all(image)
        if len(boxes) > self.most:
            rng = generator(self.seed, 0, key, "proposals")
            boxes = boxes[np.sort(rng.permutation(len(boxes))[: self.most])]
        return boxes

    def _all(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        name = hashlib.sha256(repr((VERSION, image.shape)).encode() + image.tobytes()).hexdigest()[:32]
        path = self.folder / f"{name}.npy"
        try:
            kept = np.load(path, allow_pickle=False)
            if kept.dtype == np.float32 and kept.ndim == 2 and kept.shape[1] == 4:
                return np.asarray(kept)
        except (OSError, ValueError, EOFError):  # not there yet, or cut short
            pass
        boxes = search(image)
        buffer = io.BytesIO()
        np.save(buffer, boxes)
        write_atomic(path, buffer.getvalue())
        return boxes


def search(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns the boxes `(N, 4)` of selective search on an image `(H, W, 3)`, RGB: each once, sorted by their edges.

    OpenCV ranks them by random numbers that nobody can seed; which boxes there are does not depend on those. The whole
    image is always one.
    """
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    small = image
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    least = min(LEAST, min(small.shape[:2]) // 4)
    rectangles = np.empty((0, 4), np.float64)
    if min(small.shape[:2]) > 1:
        searching = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
        searching.setBaseImage(np.ascontiguousarray(small[..., ::-1]))
        searching.switchToSelectiveSearchFast()
        rectangles = np.asarray(searching.process(), np.float64).reshape(-1, 4)
    rectangles = rectangles[(rectangles[:, 2:] >= least).all(axis=1)]
    edges = np.concatenate([rectangles[:, :2], rectangles[:, :2] + rectangles[:, 2:]], axis=1)
    edges *= np.array([width / small.shape[1], height / small.shape[0]] * 2)
    return np.unique(np.concatenate([edges, [[0, 0, width, height]]]).astype(np.float32), axis=0)
