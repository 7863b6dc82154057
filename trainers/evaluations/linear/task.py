"""What the classifiers of all layers minimise, side by side."""

import torch.nn.functional as F
from torch import Tensor

from trainers.engine.task import Batch, Task
from trainers.evaluations.labelled_images.images import UNKNOWN, Unread
from trainers.evaluations.linear.options import LinearOptions
from trainers.evaluations.linear.probes import Probes


class Probing(Task):
    """Batches are of `LabelledImages`. No classifier's gradient reaches another, so each learns as if it were alone."""

    net: Probes

    def __init__(self, options: LinearOptions, net: Probes) -> None:
        super().__init__(options)
        self.net = net
        self.unread = Unread()

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the cross-entropy of each layer, mean over the images that could be read; 0 where none could."""
        self.unread.note(batch)
        labels = batch["label"]
        known = (labels != UNKNOWN).sum().clamp(min=1)
        return {
            name: F.cross_entropy(scores.float(), labels, ignore_index=UNKNOWN, reduction="sum") / known
            for name, scores in self.net(batch["image"].flatten(0, 1)).items()
        }
