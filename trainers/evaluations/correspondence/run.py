"""How right the matches of a network are, beside its descriptors alone and flow, on the same pixels."""

from collections.abc import Mapping

import numpy as np
import torch

from common_fate.datasets.show import spread
from common_fate.errors import SampleError, UserError
from common_fate.progress import progress
from pipeline.columns.flow.dis import dis
from pipeline.columns.flow.networks.matching.deep_matching import DeepMatching
from pipeline.columns.flow.networks.matching.matches import Matches
from pipeline.scores.flow.measure import Pair
from trainers.data.split import Split
from trainers.data.views import Side, Views, dataset_name, open_views
from trainers.evaluations.correspondence.accuracy import THRESHOLDS, Accuracy, accuracy, match_accuracy, places
from trainers.evaluations.correspondence.picture import Shown, matches_picture
from trainers.evaluations.flow.run import Members, pairs_of
from trainers.evaluations.job import Job
from trainers.evaluations.result import Picture, Result, Row
from trainers.evaluations.start import load_start_model

MATCHES, NEAREST, DIS = "matches", "nearest descriptors", "DIS medium"
CAPTION = (
    "The first image with some of the verified matches, each an arrow from a point to its match; the exact motion; "
    "that of the nearest verified match within 8 px: all on the Middlebury colour wheel, with one full colour in a "
    "row, and black where there is none. Last how far that is off, grey where there is no match so near."
)
NOTE = (
    "acc@T: the share of all pixels with known motion that the nearest verified match within 8 px says right to T px; "
    "a pixel without one is wrong. s40+: of those that move more than 40 px. epe: the mean error of the verified "
    "matches themselves, px. Nearest descriptors: the same points and descriptors without the pyramid. DIS is OpenCV's "
    "dense flow; its epe is at the places of the matches."
)


def run(job: Job) -> Result:
    """Measures the matches of a network on views of `flow`.

    Raises:
        UserError: the model or a view cannot be read, a frame is too small, or no motion is known.
    """
    net, _ = load_start_model(job)
    assert isinstance(net, DeepMatching)
    split = Split(job.validation_share)
    side: Side = "all" if job.side == "all" else "held out"
    opened = open_views(job.views, Members(), split, side, needs=Members.needs, cache=job.cache)
    parts = [
        (dataset_name(view), Views([view], [rows]))
        for view, rows in zip(opened.views, opened.rows, strict=True)
        if len(rows)
    ]
    shown = spread([len(samples) for _, samples in parts], job.options.pictured)
    rows: list[Row] = []
    examples: list[Shown] = []
    for place, (name, samples) in enumerate(parts):
        total: dict[str, Accuracy] = {}
        pairs = progress(pairs_of(samples, job.machine.workers), len(samples), f"matches of {name}")
        for number, pair in enumerate(pairs):
            try:
                measured, matches = measure(net, pair)
            except SampleError as error:
                raise UserError(f"{name}: {pair.key}: {error}") from error
            total = {one: found + total[one] if total else found for one, found in measured.items()}
            if number in shown.get(place, ()):
                examples.append(Shown(pair.key, pair.frames()[-2], pair.truth, pair.valid, matches))
        rows += rows_of(name, len(samples), total)
    if not any(row.value is not None for row in rows):
        raise UserError(f"{', '.join(name for name, _ in parts)}: no exact motion is known")
    pictures = (Picture("matches", matches_picture(_title(job, len(examples)), examples), CAPTION),) if examples else ()
    return Result(tuple(rows), pictures, {}, NOTE)


def _title(job: Job, pairs: int) -> str:
    return f"Matches of {job.experiment}: {pairs} {'pair' if pairs == 1 else 'pairs'}"


def measure(net: DeepMatching, pair: Pair) -> tuple[dict[str, Accuracy], Matches]:
    """Returns the accuracy of a network's matches and of its peers, and those matches."""
    frames = pair.frames()[-2:]
    this, following = torch.from_numpy(frames)
    matches = net.match(this, following)
    found = {MATCHES: match_accuracy(matches, pair.truth, pair.valid)}
    found[NEAREST] = match_accuracy(net.match(this, following, pyramid=False), pair.truth, pair.valid)
    everywhere = np.ones_like(pair.valid)
    found[DIS] = accuracy(dis()(frames[None])[0], everywhere, pair.truth, pair.valid, places(matches, pair.valid.shape))
    return found, matches


def rows_of(name: str, samples: int, total: Mapping[str, Accuracy]) -> list[Row]:
    """Returns the rows of one dataset, accuracy at the largest threshold first."""
    rows = []
    for subset in ("near", "fast"):
        for limit in reversed(THRESHOLDS):
            values = {one: getattr(found, subset)[limit].value for one, found in total.items()}
            shares = {one: None if value is None else 100 * value for one, value in values.items()}
            if subset == "fast" and shares[MATCHES] is None:
                continue
            label = "s40+" if subset == "fast" else ""
            rows.append(Row(name, f"acc@{limit}", shares.pop(MATCHES), "%", "higher", samples, label, shares))
    errors = {one: found.error.value for one, found in total.items()}
    return [*rows, Row(name, "epe", errors.pop(MATCHES), "px", "lower", samples, "", errors)]
