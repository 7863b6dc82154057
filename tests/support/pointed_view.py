"""A view `objects` whose images say of each pixel which point of the object it is, with named points.

Red grows downwards over the object and green to the right, so that colours are the object's own coordinates; objects
lie elsewhere in each image.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.writer import write_shard

SIDE = 40
POINTS = {"left_eye": (14.0, 13.0), "right_eye": (14.0, 27.0), "nose": (24.0, 20.0)}
"""Where they are on the object, pixels; it is symmetric about column 20."""


def make_pointed_view(
    folder: Path,
    videos: int = 8,
    frames: int = 1,
    names: Sequence[str] = tuple(POINTS),
    hidden: Sequence[tuple[int, str]] = (),
    points: bool = True,
) -> Path:
    """Writes the view, and returns its folder.

    Args:
        names: of the points, in their order; unknown ones lie on the nose.
        hidden: videos, by their numbers, and points that are hidden in them.
        points: whether there are any.
    """
    samples = []
    for video in range(videos):
        for frame in range(frames):
            rng = np.random.default_rng((video, frame))
            shift = rng.uniform(-4, 4, 2)
            y, x = np.indices((SIDE, SIDE), np.float64)
            red, green = ((axis - by) / SIDE for axis, by in zip((y, x), shift, strict=True))
            image = np.stack([red, green, np.full_like(red, 0.5)], axis=-1)
            rows = [
                (*(np.array(POINTS.get(name, POINTS["nose"])) + shift), float((video, name) not in hidden))
                for name in names
            ]
            facts = {"video": f"v{video}", "frame": frame, "width": SIDE, "height": SIDE}
            members = {
                "jpg": cv2.imencode(
                    ".jpg", np.rint(255 * image.clip(0, 1)).astype(np.uint8)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100]
                )[1].tobytes(),
                "json": encode("json", facts | {"landmarks": list(names)} if points else facts),
            }
            if points:
                members["points.npy"] = encode("points.npy", np.array(rows, np.float32).reshape(-1, 3))
            samples.append((f"v{video}-{frame:06d}", members))
    facts = {"stage": "objects", "version": 1, "options": {}, "inputs": {}}
    write_shard(folder / "000000.tar", samples, lambda: facts)
    write_manifest(folder, ["000000"], "a view")
    return folder


class Coordinates(nn.Module):
    """Embeds each pixel as the point of the object that its colour says: across, down, and ahead, on a sphere."""

    stride, offset = 1, 0.0

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        red, green, _ = images.unbind(1)
        return nn.functional.normalize(torch.stack([green - 0.5, red - 0.5, torch.full_like(red, 0.25)], 1), dim=1)

    def embed(self, images: Tensor) -> Tensor:
        return self(images)


class Finder(nn.Module):
    """Finds the nose, and where the object's own rows and columns 10 and 30 cross."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def points(self, images: Tensor) -> Tensor:
        found = []
        for image in images:
            inner = slice(8, -8), slice(8, -8)  # beyond, colours may be cut off
            shift = torch.stack(
                [(axis - SIDE * of)[inner].mean() for axis, of in zip(_axes(image), image, strict=False)]
            )
            found.append(torch.tensor([[24.0, 20.0], [10.0, 10.0], [30.0, 30.0]]) + shift)
        return torch.stack(found)


def _axes(image: Tensor) -> tuple[Tensor, Tensor]:
    rows, columns = (torch.arange(side, dtype=image.dtype) for side in image.shape[1:])
    grid = torch.meshgrid(rows, columns, indexing="ij")
    return grid[0], grid[1]
