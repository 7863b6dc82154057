"""Images with masks as samples, to train on and to measure on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from common_fate.errors import SampleError, UserError
from common_fate.torch import Sample, Transform
from pipeline.sources.reading import read_image
from trainers.evaluations.segmentation.files import opened
from trainers.evaluations.segmentation.masks import read_mask
from trainers.evaluations.segmentation.options import SegmentationData
from trainers.evaluations.segmentation.pairs import Pair


class MaskedImages(Dataset[Any]):
    """Samples of `key`, `epoch`, `image (3, H, W)` float32 in [0, 1], and `labels (H, W)` int64.

    Labels are classes, or `IGNORED`. Reading raises `UserError` for a damaged image, or see `read_mask`. Whether a mask
    lies as its image does is checked before, by `check_pairs`.
    """

    def __init__(self, pairs: Sequence[Pair], data: SegmentationData, transform: Transform | None = None) -> None:
        self.pairs, self.data, self.transform = pairs, data, transform

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int | tuple[int, int]) -> Any:
        """The sample of an index, or of `(epoch, index)`."""
        epoch, place = index if isinstance(index, tuple) else (0, index)
        pair = self.pairs[place]
        try:
            image = read_image(opened(pair.image))
        except SampleError as error:
            raise UserError(f"{pair.image}: {error}") from error
        sample: Sample = {
            "key": pair.key,
            "epoch": epoch,
            "image": torch.from_numpy(np.divide(image.transpose(2, 0, 1), np.float32(255), order="C")),
            "labels": torch.from_numpy(read_mask(pair.mask, self.data).astype(np.int64)),
        }
        return self.transform(sample) if self.transform else sample
