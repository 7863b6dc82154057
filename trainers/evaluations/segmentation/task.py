"""What fine-tuning minimises."""

import torch.nn.functional as F
from torch import Tensor

from trainers.engine.loop import Batch, Task
from trainers.evaluations.segmentation.model import Segmenter
from trainers.evaluations.segmentation.options import IGNORED
from trainers.models.encoders import Encoder


class Segmentation(Task):
    """Batches have `image (B, 3, H, W)` and `labels (B, H, W)`. All layers are trained (appendix B)."""

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.net = Segmenter(encoder, classes)

    def forward(self, batch: Batch) -> Tensor:
        """The cross-entropy, mean over the pixels that count; 0 where none does."""
        scores, labels = self.net(batch["image"]), batch["labels"]
        total = F.cross_entropy(scores.float(), labels, ignore_index=IGNORED, reduction="sum")
        return total / (labels != IGNORED).sum().clamp(min=1)
