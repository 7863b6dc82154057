"""The tables of one experiment, as pages."""

from collections.abc import Sequence

from common_fate.tables import html_table
from trainers.report.results import FlowRow, Segmentation

FLOW_NOTE = (
    "End-point errors in pixels, means over all valid pixels. No motion says that nothing moves; nearest point, that "
    "each pixel moves as the nearest guidance point does. Better: how far the model's error is below that.\n"
    "Estimated: guidance and target are the flow that the dataset's estimator made; exact: the flow that its source "
    "knows."
)
SEGMENTATION_NOTE = "IoU in percent after fine-tuning, one column for each start. A dash: the class never occurs."


def flow_page(name: str, rows: Sequence[FlowRow]) -> str:
    """An experiment's end-point errors beside the baselines, as HTML."""
    baselines = ["no motion", "better, %", "nearest point", "better, %"]
    columns = ["dataset", "flow", "samples", "videos", "guidance points", "model", *baselines]
    cells = [
        [
            *(row.dataset, row.flow, row.samples, row.videos, row.points, row.epe),
            *(row.epe_no_motion, row.better_than_no_motion, row.epe_nearest, row.better_than_nearest),
        ]
        for row in rows
    ]
    return html_table(f"{name}: flow error", columns, cells, FLOW_NOTE)


def segmentation_page(name: str, found: Sequence[Segmentation]) -> str:
    """IoU by class, a column for each start, the mean last, as HTML."""
    columns = ["class", *(one.start for one in found)]
    classes = list(enumerate(found[0].classes))
    cells = [[label, *(_percent(one.iou[number]) for one in found)] for number, label in classes]
    cells.append(["mean", *(_percent(one.mean_iou) for one in found)])
    about = "; ".join(f"{one.start}: {one.iterations:,} iterations, {one.images:,} images" for one in found)
    return html_table(f"{name}: semantic segmentation", columns, cells, f"{SEGMENTATION_NOTE}\n{about}.")


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
