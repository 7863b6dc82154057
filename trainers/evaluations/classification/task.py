"""What fine-tuning minimises."""

import torch
import torch.nn.functional as F
from torch import Tensor

from trainers.engine.task import Batch, Task
from trainers.evaluations.classification.model import Classifier
from trainers.evaluations.classification.options import ClassificationOptions
from trainers.evaluations.labelled_images.images import UNKNOWN, Unread


class Classification(Task):
    """Batches are of `LabelledImages`. All layers of `net` are trained."""

    def __init__(self, options: ClassificationOptions, net: Classifier) -> None:
        super().__init__(options)
        self.net = net
        self.unread = Unread()

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the cross-entropy, mean over the images that have a label; 0 where none has."""
        self.unread.note(batch)
        scores, labels = self.net(batch["image"].flatten(0, 1)).float(), batch["label"]
        targets = as_targets(labels, scores.shape[1])
        each = softmax_losses(scores, targets) if self.options.loss == "softmax" else sigmoid_losses(scores, targets)
        counted = counts(targets, self.options.loss)
        return {"classification": (each * counted).sum() / counted.sum().clamp(min=1)}


def as_targets(labels: Tensor, classes: int) -> Tensor:
    """Returns labels `(B,)` as labels of each class, `(B, classes)`: 1, 0, or `UNKNOWN`; those of several stay."""
    if labels.ndim == 2:
        return labels
    known = labels != UNKNOWN
    targets = F.one_hot(labels.clamp(min=0), classes)
    return torch.where(known[:, None], targets, UNKNOWN)


def counts(targets: Tensor, loss: str) -> Tensor:
    """Returns which images count, `(B,)` bool: by the softmax those with a class, else those with a known label."""
    return (targets == 1).any(dim=1) if loss == "softmax" else (targets != UNKNOWN).any(dim=1)


def softmax_losses(scores: Tensor, targets: Tensor) -> Tensor:
    """Returns the cross-entropy of the softmax of scores `(B, C)`, `(B,)`: an image's classes have equal shares of it.

    Classes that are hard to tell are no part of the softmax.
    """
    present = (targets == 1).float()
    shares = present / present.sum(dim=1, keepdim=True).clamp(min=1)
    logs = scores.masked_fill(targets == UNKNOWN, torch.finfo(scores.dtype).min).log_softmax(dim=1)
    return -(shares * logs).sum(dim=1)


def sigmoid_losses(scores: Tensor, targets: Tensor) -> Tensor:
    """Returns the cross-entropies of the sigmoids of scores `(B, C)`, sums over the classes that count, `(B,)`."""
    each = F.binary_cross_entropy_with_logits(scores, (targets == 1).float(), reduction="none")
    return (each * (targets != UNKNOWN)).sum(dim=1)
