"""Samples of hierarchical grouping: one crop or two of an image, and the pixels of its regions to compare in them.

Zhang and Maire, NeurIPS 2020, section 3, "Augmented Reference Sampling".
"""

import hashlib

import numpy as np
import torch

from common_fate.errors import ShardError
from common_fate.torch.sample import Sample
from trainers.data.transforms import Joint, generator
from trainers.methods.grouping.options import GroupingOptions
from trainers.methods.grouping.sampling import leaf_distances, sample_pixels


class GroupingTransform:
    """From a sample of a `grouping` view to what training collates.

    Gives `key`; `image (3, S, S)`, RGB in [0, 1]; `points (A, 1 + P + N, 2)`, float32, y and x of an anchor, its
    positives and its negatives; `counted (A,)`, bool, whether the anchor counts; `own (A,)`, float32, how probable its
    own region is among the positives. In training also, as the options ask: `second (3, S, S)`, another crop of the
    image, with `second_points (A, P + N, 2)`, where the positives and negatives are in it, between pixels, and
    `seen (A, P + N)`, bool, whether they are; and for negatives from other images `draws (A, K)`, float32 in [0, 1),
    and `identity ()`, int64, of the image.

    Args:
        train: crops and pixels differ from epoch to epoch, by `training.seed`; otherwise they stay.

    Raises:
        ShardError: the regions do not fit the image, or the tree does not fit them.
    """

    needs = ("image", "regions", "tree")

    def __init__(self, options: GroupingOptions, train: bool) -> None:
        self.options, self.train = options, train
        seed = options.training.seed
        self._joint = Joint(options.transforms, seed, train)
        self._second = Joint(options.transforms, seed, train, purpose="second view")

    def __call__(self, sample: Sample) -> Sample:
        sampling, seed, key = self.options.sampling, self.options.training.seed, sample["key"]
        distances = leaf_distances(sample["tree"].numpy())
        if int(sample["regions"].max()) + 1 != len(distances):
            raise ShardError(
                f"{key}: its tree has {len(distances)} leaves, and its regions are labelled up to "
                f"{int(sample['regions'].max())}"
            )
        given = {name: sample[name] for name in ("key", "epoch", "image", "regions")}
        crop = self._joint(given)
        rng = generator(seed, sample["epoch"] if self.train else 0, key, "pixels")
        pixels = sample_pixels(crop["regions"].numpy(), distances, sampling, rng)
        made = {
            "key": key,
            "image": crop["image"],
            "points": torch.from_numpy(pixels.points.astype(np.float32)),
            "counted": torch.from_numpy(pixels.counted),
            "own": torch.from_numpy(pixels.own.astype(np.float32)),
        }
        if not self.train:
            return made
        if sampling.second_view:
            image = {name: sample[name] for name in ("key", "epoch", "image")}
            origins = self._joint.window(image).origins(pixels.points[:, 1:].reshape(-1, 2))
            places, inside = self._second.window(image).places(origins)
            shape = pixels.points[:, 1:].shape
            made |= {"second": self._second(image)["image"]}
            made |= {"second_points": torch.from_numpy(places.reshape(shape))}
            made |= {"seen": torch.from_numpy(inside.reshape(shape[:2]))}
        if sampling.cross_image_negatives:
            draws = rng.random((sampling.anchors, sampling.cross_image_negatives), np.float32)
            made |= {"draws": torch.from_numpy(draws), "identity": torch.tensor(_identity(key))}
        return made


def _identity(key: str) -> int:
    """A number from 0 up that another key does not have."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:7])
