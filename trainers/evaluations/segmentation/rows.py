"""Intersection over union as rows of a report."""

from collections.abc import Mapping, Sequence

from trainers.evaluations.result import Row

Shares = Sequence[float | None]
"""Of each class; None for one that neither masks nor predictions have."""


def iou_rows(
    dataset: str,
    names: Sequence[str],
    iou: Shares,
    images: int,
    baselines: Mapping[str, Shares] | None = None,
    of: str = "",
) -> tuple[Row, ...]:
    """Returns the mean over the classes that occur, then each class, in percent.

    Args:
        names: of the classes.
        images: over how many.
        baselines: what needs no learning has of the same masks, by name.
        of: whose they are, after the metric's name, where that is not the trained network's.
    """
    others = baselines or {}
    mean = Row(
        dataset, f"mean IoU{of}", _mean(iou), "%", "higher", images, "", {name: _mean(o) for name, o in others.items()}
    )
    classes = (
        Row(
            *(dataset, f"IoU{of}", _percent(share), "%", "higher", images, name),
            {of: _percent(shares[label]) for of, shares in others.items()},
        )
        for label, (name, share) in enumerate(zip(names, iou, strict=True))
    )
    return (mean, *classes)


def _mean(shares: Shares) -> float | None:
    occurring = [share for share in shares if share is not None]
    return 100 * sum(occurring) / len(occurring) if occurring else None


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
