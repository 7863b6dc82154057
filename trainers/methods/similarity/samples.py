"""Samples of cross-pixel flow similarity: the crop of a frame, and pixels of it with their flow.

Mahendran, Thewlis and Vedaldi, ACCV 2018, section 4.3.
"""

import cv2
import numpy as np
import torch

from common_fate.torch.sample import Sample
from trainers.data.transforms import Joint, generator
from trainers.data.window import Plane
from trainers.methods.similarity.options import ColourOptions, SimilarityOptions


class SimilarityTransform:
    """From a sample of a view with frames and flow to what training collates.

    Gives `key`; `image (3, S, S)`, RGB in [0, 1]; `points (N, 2)`, float32, y and x of pixels whose flow is valid,
    drawn evenly, each once; `flow (N, 2)`, float32, their u and v in pixels of the crop; and `counted (N,)`, bool:
    where fewer pixels are valid, the others are some of these again, which do not count; where none is, all are 0.

    Args:
        train: crops, colours and pixels differ from epoch to epoch, by `training.seed`; otherwise they stay, and
            colours are not varied.

    Raises:
        ShardError: the sample's flow does not fit its image.
    """

    needs = ("image", "flow")

    def __init__(self, options: SimilarityOptions, train: bool) -> None:
        self.options, self.train = options, train
        self._joint = Joint(options.transforms, options.training.seed, train)

    def __call__(self, sample: Sample) -> Sample:
        crop = self._joint({name: sample[name] for name in ("key", "epoch", *self.needs)})
        seed, epoch, number = self.options.training.seed, sample["epoch"] if self.train else 0, self.options.loss.pixels
        valid = np.flatnonzero(crop["valid"].numpy())
        drawn = generator(seed, epoch, sample["key"], "pixels").permutation(valid)[:number]
        pixels = np.resize(drawn if len(drawn) else np.zeros(1, np.int64), number)
        points = np.stack(np.unravel_index(pixels, crop["valid"].shape), axis=1).astype(np.float32)
        flow = np.ascontiguousarray(crop["flow"].numpy().reshape(2, -1)[:, pixels].T)
        image = crop["image"]
        if self.train:
            rng = generator(seed, epoch, sample["key"], "colours")
            image = torch.from_numpy(varied(image.numpy(), self.options.colours, rng))
        return {
            "key": sample["key"],
            "image": image,
            "points": torch.from_numpy(points),
            "flow": torch.from_numpy(flow),
            "counted": torch.arange(number) < len(drawn),
        }


def varied(image: Plane, options: ColourOptions, rng: np.random.Generator) -> Plane:
    """Returns an image `(3, H, W)` in [0, 1], RGB, its brightness, contrast and hue varied, in this order."""
    # Each is drawn whatever the options, so that switching one on leaves the others as they were.
    brightness, hue = (float(rng.uniform(-most, most)) for most in (options.brightness, options.hue))
    contrast = np.float32(rng.uniform(*options.contrast))
    means = image.mean(axis=(1, 2), keepdims=True)
    planes = np.clip(contrast * (image - means) + means + np.float32(brightness), 0, 1)
    hsv = cv2.cvtColor(np.ascontiguousarray(planes.transpose(1, 2, 0)), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 360 * hue) % 360
    return np.ascontiguousarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).transpose(2, 0, 1))
