"""What fine-tuning minimises."""

import torch.nn.functional as F
from torch import Tensor

from trainers.data.transforms import IGNORED
from trainers.engine.task import Batch, Task
from trainers.evaluations.segmentation.hypercolumn import HypercolumnSegmenter
from trainers.evaluations.segmentation.model import FrozenSegmenter, Segmenter
from trainers.evaluations.segmentation.options import SegmentationOptions

Net = Segmenter | HypercolumnSegmenter | FrozenSegmenter


class Segmentation(Task):
    """Batches have `image (B, 3, H, W)`, and `labels (B, H, W)`, or `labels (B, N)` of `points (B, N, 2)`.

    All layers of `net` are trained that are not frozen.

    Args:
        head_alone: the encoder keeps its weights, and the statistics of its normalisations.
    """

    net: Net

    def __init__(self, options: SegmentationOptions, net: Net, head_alone: bool = False) -> None:
        super().__init__(options)
        self.net, self.head_alone = net, head_alone
        if not isinstance(net, FrozenSegmenter):
            net.encoder.requires_grad_(not head_alone)

    def train(self, mode: bool = True) -> "Segmentation":
        """Sets the mode of all that is trained."""
        super().train(mode)
        if self.head_alone and not isinstance(self.net, FrozenSegmenter):
            self.net.encoder.eval()
        return self

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the cross-entropy, mean over the pixels that count; 0 where none does."""
        labels = batch["labels"]
        if isinstance(self.net, HypercolumnSegmenter):
            scores = self.net.at(batch["image"], batch["points"])
        else:
            scores = self.net(batch["image"])
        total = F.cross_entropy(scores.float(), labels, ignore_index=IGNORED, reduction="sum")
        return {"segmentation": total / (labels != IGNORED).sum().clamp(min=1)}
