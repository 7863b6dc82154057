"""The features of one image: of a bounded size, of length 1, and which of them each pixel has."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from trainers.evaluations.start import Features

Image = NDArray[np.float32]
"""`(H, W, 3)` in [0, 1], RGB."""


def shrunk(image: Image, longer_side: int) -> Image:
    """Returns an image whose longer side has so many pixels, averaged; a smaller one as it is."""
    factor = longer_side / max(image.shape[:2])
    if factor >= 1:
        return image
    height, width = (max(1, round(factor * side)) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.float32)


@torch.no_grad()
def unit_features(features: Features, image: Image) -> NDArray[np.float32]:
    """Returns an image's features `(h, w, C)`, each of length 1, or 0 where none is active."""
    device = next(features.parameters()).device
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(device)
    unit = F.normalize(features(tensor).float(), dim=1)[0]
    return unit.permute(1, 2, 0).cpu().numpy()


def nearest_cells(size: int, seen: int, cells: int, stride: int) -> NDArray[np.int64]:
    """Returns of each of `size` pixels of a side which of `cells` features lies nearest to it.

    Args:
        seen: how many pixels the side had when the features were made of it: feature i lies at pixel `stride * i` of
            those, see `trainers.evaluations.segmentation.model.upsampled`.
    """
    places = (np.arange(size) + 0.5) * (seen / size) - 0.5
    return np.clip(np.floor(places / stride + 0.5), 0, cells - 1).astype(np.int64)
