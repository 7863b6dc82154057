"""Motion of a whole image from a few guidance vectors (section 4.3)."""

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from common_fate.errors import UserError
from common_fate.pictures import Picture
from trainers.methods.cmp.loss import expected_flow
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions

Guidance = NDArray[np.float64]
LONGEST = 16  # sides of an image, the longer by the shorter: a panorama, not a strip


@torch.inference_mode()
def predict_flow(net: CMPNet, options: CMPOptions, image: Tensor, guidance: ArrayLike) -> Tensor:
    """Infers flow from guidance with a network in evaluation mode, on the device that it is on.

    The whole image is seen, its shorter side at the crop's size of training, its sides rounded to multiples of the
    encoder's stride. One guidance pixel tells each vector; those that fall on the same pixel are averaged. Vectors
    beyond what the network was trained for are shortened, see `shortened`.

    Args:
        image: `(3, H, W)` in [0, 1], RGB.
        guidance: `(N, 4)` rows of y, x, dy, dx in pixels of the image.

    Returns:
        `(2, H, W)`, u and v in pixels of the image, on the CPU.

    Raises:
        UserError: guidance that is malformed, not finite, or outside the image; or what is predicted is not finite.
    """
    size = (image.shape[1], image.shape[2])
    vectors = shortened(net, options, size, guidance)
    small = model_size(net, options, size)
    device = next(net.parameters()).device
    seen, told = _resized(image, small), torch.from_numpy(_guidance_map(vectors, size, small))
    flow = expected_flow(net(seen[None].to(device), told[None].to(device)), small, options.loss)
    flow = functional.interpolate(flow, size, mode="bilinear", align_corners=False)[0].cpu()
    if not flow.isfinite().all():
        raise UserError("the network predicts motion that is not finite: its weights are damaged")
    return flow * torch.tensor([size[1] / small[1], size[0] / small[0]])[:, None, None]


def as_image(picture: Picture) -> Tensor:
    """Returns a picture `(H, W, 3)` uint8 as networks take it: `(3, H, W)` in [0, 1]."""
    return torch.from_numpy(picture).permute(2, 0, 1) / 255


def model_size(net: CMPNet, options: CMPOptions, size: tuple[int, int]) -> tuple[int, int]:
    """Returns the height and width at which the network sees an image of `size`.

    Raises:
        UserError: the image is a strip, for which the network would need memory without bound.
    """
    if max(size) > LONGEST * min(size):
        raise UserError(
            f"the image is {size[1]} wide and {size[0]} high: one side should be at most {LONGEST} times the other; "
            "crop it"
        )
    factor = options.transforms.crop / min(size)
    height, width = (max(round(side * factor / net.encoder.stride), 1) * net.encoder.stride for side in size)
    return height, width


def shortened(net: CMPNet, options: CMPOptions, size: tuple[int, int], guidance: ArrayLike) -> Guidance:
    """Shortens the vectors of guidance, `(N, 4)`, that exceed the limit of the loss on either axis.

    They keep their direction and reach the limit.

    The limit counts in pixels of the network's input.

    Args:
        size: height and width of the image.

    Raises:
        UserError: as `predict_flow`.
    """
    vectors = _checked(guidance, size)
    ratio = np.divide(model_size(net, options, size), size)
    longest = np.abs(vectors[:, 2:] * ratio).max(axis=1, keepdims=True)
    vectors[:, 2:] *= options.loss.limit / np.maximum(longest, options.loss.limit)
    return vectors


def _checked(guidance: ArrayLike, size: tuple[int, int]) -> Guidance:
    vectors = np.array(guidance, np.float64)
    if not vectors.size:
        return np.empty((0, 4))
    if vectors.ndim != 2 or vectors.shape[1] != 4:
        raise UserError(f"guidance should be rows of y, x, dy, dx, not of shape {vectors.shape}")
    for row in vectors:
        told = ",".join(f"{value:g}" for value in row)
        if not np.isfinite(row).all():
            raise UserError(f"guidance {told}: y, x, dy and dx should be finite numbers, in pixels of the image")
        check_inside(row[:2], size, f"guidance {told}")
    return vectors


def check_inside(point: ArrayLike, size: tuple[int, int], name: str) -> None:
    """Raises `UserError`, with the name of what it is and the image's size, for a point (y, x) outside the image."""
    y, x = np.asarray(point, np.float64)
    if not (0 <= y <= size[0] - 1 and 0 <= x <= size[1] - 1):
        raise UserError(
            f"{name}: the point lies outside the image, which is {size[1]} wide and {size[0]} high: "
            f"y is 0 to {size[0] - 1}, x is 0 to {size[1] - 1}"
        )


def _resized(image: Tensor, small: tuple[int, int]) -> Tensor:
    """As in training: averaged over pixels where it shrinks, interpolated cubically where it grows."""
    if tuple(image.shape[1:]) == small:
        return image
    method = cv2.INTER_AREA if small[0] < image.shape[1] else cv2.INTER_CUBIC
    planes = [cv2.resize(plane, small[::-1], interpolation=method) for plane in image.numpy()]
    return torch.from_numpy(np.stack(planes)).clamp(0, 1)


def _guidance_map(vectors: Guidance, size: tuple[int, int], small: tuple[int, int]) -> NDArray[np.float32]:
    """What the motion encoder reads, `(3, h, w)`: u, v, and 1 where a vector tells them."""
    ratio = np.divide(small, size)
    y, x = np.clip(np.rint((vectors[:, :2] + 0.5) * ratio - 0.5), 0, np.subtract(small, 1)).astype(np.intp).T
    told = np.zeros((3, *small))
    np.add.at(told, (np.arange(3)[:, None], y, x), np.stack([*(vectors[:, 2:] * ratio).T[::-1], np.ones(len(vectors))]))
    return (told / np.maximum(told[2], 1)).astype(np.float32)
