"""The home page of the report: the best pictures and numbers of all experiments and datasets at once."""

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from common_fate.errors import UserError
from common_fate.foreign.files import read_file
from common_fate.shards.files import write_atomic
from common_fate.shards.limits import MAX_PIXELS
from trainers.evaluations.result import Row, read_result
from trainers.report.comparison import first_headlines
from trainers.report.experiment_files import Metrics, number, read_metrics
from trainers.report.page import cell, element, numeral, page, table, text
from trainers.report.rows import cards, improvement, label

MAX_SHEET_BYTES = 2**27
MOST_PICTURED = 6
MOST_CARDS = 8
QUALITY = 88  # of JPEG: pictures stand here a second time, and lossless on their own pages
SHEET = "contact_sheet_"


def overview(files: Sequence[Path], to: Path, title: str) -> None:
    """Writes one page from what there is.

    Args:
        files: `metrics.json` of experiments, beside which their evaluations are looked for, and contact sheets of
            datasets, `DATASET/contact_sheet_WHAT.png`.

    Raises:
        UserError: a file is of neither kind, or cannot be read.
    """
    experiments = [(path.parent, read_metrics(path)) for path in files if path.suffix == ".json"]
    sheets = [path for path in files if path.suffix == ".png"]
    if others := [path for path in files if path.suffix not in (".json", ".png")]:
        raise UserError(f"{others[0]}: neither a metrics.json nor a contact sheet (.png)")
    # The variants of a grid, GRID-AXIS-VARIANT, stand on the grid's own page; without others they do here, too.
    first = [one for one in experiments if one[1].experiment.count("-") < 2] or experiments
    parts = [
        element("h1", text(title)),
        element("p", text(_lead(experiments, sheets)), kind="lead"),
        element("div", *list(_cards(first))[:MOST_CARDS], kind="cards"),
    ]
    shown = [picture for folder, metrics in first for picture in _pictured(folder, metrics)][:MOST_PICTURED]
    said = [*(["what models predict"] if shown else []), *(["what datasets hold"] if sheets else [])]
    if said:  # side by side, so that the first screen has some of both
        parts += [
            element("h2", text(", ".join(said).capitalize())),
            element("div", *shown, *map(_sheet, sheets), kind="gallery"),
        ]
    if experiments:
        parts += [element("h2", "All experiments"), _table([metrics for _, metrics in experiments])]
    write_atomic(to, page(title, *parts))


def _lead(experiments: Sequence[tuple[Path, Metrics]], sheets: Sequence[Path]) -> str:
    datasets = len({path.absolute().parent.name for path in sheets})
    counts = [(len(experiments), "experiment"), (datasets, "dataset")]
    return " · ".join(f"{count:,} {noun}{'s' * (count != 1)}" for count, noun in counts if count)


def _cards(experiments: Sequence[tuple[Path, Metrics]]) -> Iterator[str]:
    for _, metrics in experiments:
        for evaluation, starts in metrics.evaluations.items():
            if starts:
                yield from cards(f"{metrics.experiment} · {evaluation}", starts)


def _pictured(folder: Path, metrics: Metrics) -> Iterator[str]:
    """The first picture of each evaluation."""
    for evaluation, starts in metrics.evaluations.items():
        for start in list(starts)[:1]:
            path = folder / "evaluations" / evaluation / f"{start}.json"
            if not path.is_file():
                continue
            for shown in read_result(path).result.pictures[:1]:
                yield _figure(shown.png, path, f"{metrics.experiment}, {evaluation}: {shown.caption}")


def _sheet(path: Path) -> str:
    try:
        png = read_file(path, MAX_SHEET_BYTES)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}): remove it, and run snakemake to make it again") from error
    dataset, what = path.absolute().parent.name, path.stem.removeprefix(SHEET)
    return _figure(png, path, f"{dataset}: {what}")


def _figure(png: bytes, path: Path, caption: str) -> str:
    """A PNG as a figure of the page, as JPEG."""
    size = struct.unpack_from(">II", png, 16) if png[:8] == b"\x89PNG\r\n\x1a\n" and len(png) > 32 else (0, 0)
    image = (
        cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR) if 0 < size[0] * size[1] <= MAX_PIXELS else None
    )
    if image is None:
        raise UserError(f"{path}: not a picture (PNG), or damaged: remove it, and run snakemake to make it again")
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    height, width = image.shape[:2]
    source = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    return element(
        "figure",
        f'<img src="{source}" width="{width}" height="{height}" alt="{text(caption)}">',
        element("figcaption", text(caption)),
    )


def _table(experiments: Sequence[Metrics]) -> str:
    rows = []
    for metrics in experiments:
        found: Mapping[tuple[str, str], Row] = first_headlines(metrics)
        named = [cell(metrics.experiment), cell(str(metrics.training.get("method", "–")))]
        samples = cell(number(metrics.training.get("samples")))
        if not found:
            rows.append([*named, samples, *map(cell, ("–", "–", None, "–"))])
        for (evaluation, _), row in found.items():
            of = f"{row.dataset}{f', {row.subset}' if row.subset else ''}"
            value = "–" if row.value is None else f"{numeral(row.value)} {row.unit}".strip()
            best = row.best_baseline()
            better = (
                f"{improvement(row.improvement())} than {best[0]}" if best and row.improvement() is not None else "–"
            )
            rows.append(
                [
                    *named,
                    samples,
                    cell(f"{evaluation}: {label(row)}"),
                    cell(of),
                    cell(value, kind="number"),
                    cell(better),
                ]
            )
            named, samples = [cell(""), cell("")], cell("")
    columns = ["experiment", "method", "samples", "measured", "on", "value", "than the best baseline"]
    return table(columns, rows, (2, 5))
