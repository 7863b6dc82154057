"""Average precision of several labels an image, as PASCAL VOC has it and as the area under the curve."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import binary_average_precision, binary_precision_recall_curve
from torchmetrics.utilities import dim_zero_cat

IGNORED = -1
"""The label of a class that does not count in an image."""
_LEVELS = 11


class AveragePrecision(Metric):
    """Collects scores and labels of `classes` classes over images and processes."""

    full_state_update = False
    scores: list[Tensor]
    labels: list[Tensor]

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")

    def update(self, scores: Tensor, labels: Tensor) -> None:
        """Adds a batch.

        Args:
            scores: `(B, C)`, in [0, 1].
            labels: `(B, C)`: 1, 0 or `IGNORED`.
        """
        self.scores.append(scores)
        self.labels.append(labels)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Returns of each class the average precision of VOC 2007 and the area, `(C,)` float64 on the CPU.

        Not a number for a class that no image has.
        """
        eleven, area = torch.full((2, self.classes), torch.nan, dtype=torch.float64)
        if len(self.scores):
            scores, labels = dim_zero_cat(self.scores), dim_zero_cat(self.labels)
            for number in torch.nonzero((labels == 1).any(dim=0)).flatten().tolist():
                known = labels[:, number] != IGNORED
                of = scores[known, number], labels[known, number]
                precision, recall, _ = binary_precision_recall_curve(*of, validate_args=False)
                eleven[number] = eleven_points(precision[:-1], recall[:-1])  # without the point that no score gives
                area[number] = binary_average_precision(*of, validate_args=False)
        return eleven, area


def eleven_points(precision: Tensor, recall: Tensor) -> float:
    """Returns the mean, over the recalls 0, 0.1, ... 1, of the highest precision at that recall or a higher one.

    Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010, section 4.2: up to 2009.

    Args:
        precision, recall: a curve `(N,)` that reaches a recall of 1.
    """
    reached = recall.double() * (_LEVELS - 1) + 1e-6
    return sum(float(precision[reached >= level].max()) for level in range(_LEVELS)) / _LEVELS
