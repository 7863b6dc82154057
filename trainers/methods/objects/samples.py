"""Samples of object frames: two images, and the motion of each pixel from the first to the second.

Thewlis, "Objects from Motion", chapter 5, section 3.3, and chapter 6, section 3.
"""

import hashlib

import cv2
import numpy as np
import torch
from torch import Tensor

from common_fate.torch.sample import Sample
from trainers.data.transforms import Joint, generator, jittered
from trainers.data.warps import warped_pair
from trainers.data.window import Plane
from trainers.methods.objects.options import ObjectsOptions, PhotometricOptions


class ObjectsTransform:
    """From a sample of a view of objects to what training collates.

    Gives `key`; `image` and `second`, `(3, S, S)`, RGB in [0, 1]; `flow (2, S, S)`, pixels, from the first to the
    second; `counted (S, S)`, bool, where that is known and to be learnt from; `mirrored ()`, bool, whether `second` is
    a mirror image; and `identity ()`, int64, of the image.

    Of a pair by warp the second image is the crop under one warp, and the first is that under another: where a pixel
    of the first is from is where it is in the second.

    Args:
        train: crops, warps and colours differ from epoch to epoch, by `training.seed`; otherwise they stay, colours
            are not varied, and nothing is mirrored.

    Raises:
        ShardError: the members do not fit the image.
    """

    def __init__(self, options: ObjectsOptions, train: bool) -> None:
        self.options, self.train = options, train
        self._joint = Joint(options.transforms, options.training.seed, train)

    @property
    def needs(self) -> tuple[str, ...]:
        """The members that a view must have."""
        if self.options.pairs == "warp":
            return ("image",)
        if self.options.pairs == "flow":
            return ("image", "next.image", "flow")
        occlusion = ("truth.occlusion",) if self.options.loss.occlusion else ()
        return ("image", "next.image", "truth.flow", "truth.valid", *occlusion)

    def __call__(self, sample: Sample) -> Sample:
        crop = self._joint({name: sample[name] for name in ("key", "epoch", *self.needs)})
        epoch = sample["epoch"] if self.train else 0
        rng = generator(self.options.training.seed, epoch, sample["key"], "pair")
        if self.options.pairs == "warp":
            first, second, flow, counted = self._warped(crop, rng)
        else:
            first, second, flow, counted = self._followed(crop)
        mirrored = self.train and self.options.loss.symmetry == "bilateral" and bool(rng.random() < 0.5)
        if mirrored:
            second, flow = mirror(second, flow)
        if self.train:
            first, second = (varied(image, self.options.photometric, rng) for image in (first, second))
        return {
            "key": sample["key"],
            "image": first,
            "second": second,
            "flow": flow,
            "counted": counted,
            "mirrored": torch.tensor(mirrored),
            "identity": torch.tensor(_identity(sample["key"])),
        }

    def _followed(self, crop: Sample) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Two frames; what hardly moves does not count (chapter 5, section 4.1; chapter 6, section 6.1)."""
        prefix, loss = "truth." if self.options.pairs == "truth" else "", self.options.loss
        flow, counted = crop[f"{prefix}flow"], crop[f"{prefix}valid"]
        if loss.motion is not None:
            counted = counted & (flow.square().sum(dim=0) > loss.motion**2)
        if loss.occlusion:
            counted = counted & ~crop["truth.occlusion"].bool()
        return crop["image"], crop["next.image"], flow, counted

    def _warped(self, crop: Sample, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The crop under two warps one after the other and under the first alone, and the motion of the second."""
        pair = warped_pair(crop["image"].numpy(), self.options.warp, rng, crop["valid"].numpy())
        first, second, flow, counted = map(torch.from_numpy, (pair.first, pair.second, pair.flow, pair.valid))
        return first, second, flow, counted


def mirror(image: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Returns a second image, left to right, and the flow `(2, H, W)` that leads to it."""
    width = flow.shape[-1]
    x = torch.arange(width, dtype=flow.dtype)
    across = width - 1 - (x + flow[0]) - x
    return image.flip(-1).contiguous(), torch.stack([across, flow[1]])


def varied(image: Tensor, options: PhotometricOptions, rng: np.random.Generator) -> Tensor:
    """Returns an image `(3, H, W)` with its colours varied."""
    # Each is drawn whatever the options, so that switching one on leaves the others as they were.
    brightness, contrast, saturation = (float(1 + options.jitter * rng.uniform(-1, 1)) for _ in range(3))
    share = rng.random()
    planes = np.ascontiguousarray(image.numpy())
    if options.jpeg:
        planes = _compressed(planes, round(options.jpeg[0] + share * (options.jpeg[1] - options.jpeg[0])))
    if options.jitter:
        (planes,) = jittered([planes], brightness, contrast, saturation)
    return torch.from_numpy(np.ascontiguousarray(planes))


def _compressed(image: Plane, quality: int) -> Plane:
    pixels = np.rint(255 * image.transpose(1, 2, 0)[..., ::-1]).clip(0, 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1].transpose(2, 0, 1), np.float32) / np.float32(255)


def _identity(key: str) -> int:
    """A number from 0 up that another key does not have."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:7])
