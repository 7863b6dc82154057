"""What fine-tuning minimises."""

import torch.nn.functional as F
from torch import Tensor

from trainers.data.transforms import IGNORED
from trainers.engine.task import Batch, Task
from trainers.evaluations.segmentation.model import FrozenSegmenter, Segmenter
from trainers.evaluations.segmentation.options import SegmentationOptions


class Segmentation(Task):
    """Batches have `image (B, 3, H, W)` and `labels (B, H, W)`. All layers of `net` are trained that are not frozen."""

    def __init__(self, options: SegmentationOptions, net: Segmenter | FrozenSegmenter) -> None:
        super().__init__(options)
        self.net = net

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the cross-entropy, mean over the pixels that count; 0 where none does."""
        scores, labels = self.net(batch["image"]), batch["labels"]
        total = F.cross_entropy(scores.float(), labels, ignore_index=IGNORED, reduction="sum")
        return {"segmentation": total / (labels != IGNORED).sum().clamp(min=1)}
