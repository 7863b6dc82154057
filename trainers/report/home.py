"""The home page of the report: the best pictures and numbers of all experiments and datasets at once."""

import base64
import re
import struct
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from common_fate.errors import UserError
from common_fate.foreign.files import read_file
from common_fate.shards.files import write_atomic
from common_fate.shards.limits import MAX_PIXELS, quoted
from trainers.evaluations.result import Row, headlines, read_result
from trainers.report.comparison import Headline, first_headlines
from trainers.report.experiment_files import Metrics, number, read_metrics
from trainers.report.page import cell, element, numeral, page, table, text
from trainers.report.rows import cards, improvement, label

MAX_SHEET_BYTES = 2**27
MOST_PICTURED = 6
MOST_CARDS = 8
MOST_ROWS = 16  # of one experiment
NAME = re.compile("[A-Za-z0-9_-]{1,200}")  # of an evaluation and a start: their file is called so
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
    for folder, metrics in experiments:
        _check_names(folder / "metrics.json", metrics)
    # The variants of a grid, GRID-AXIS-VARIANT, stand on the grid's own page; without others they do here, too.
    first = [one for one in experiments if _variant(one[1]) is None] or experiments
    cards_of_all = [*islice(_cards(first), MOST_CARDS)]
    if (left := _headlines(first) - MOST_CARDS) > 0:
        cards_of_all.append(element("div", text(f"and {left} more, below"), kind="faint"))
    parts = [
        element("h1", text(title)),
        element("p", text(_lead(experiments, sheets)), kind="lead"),
        element("div", *cards_of_all, kind="cards"),
    ]
    shown = [*islice((picture for folder, metrics in first for picture in _pictured(folder, metrics)), MOST_PICTURED)]
    pictures = [*shown, *map(_sheet, sheets)]
    said = [*(["what models predict"] if shown else []), *(["what datasets hold"] if sheets else [])]
    if said:  # side by side, so that the first screen has some of both
        parts += [
            element("h2", text(", ".join(said).capitalize())),
            element("div", *pictures, kind="gallery" if len(pictures) > 1 else ""),
        ]
    if grids := _grids([metrics for _, metrics in experiments]):
        parts += [element("h2", "Grids"), grids]
    if experiments:
        parts += [element("h2", "All experiments"), _table([metrics for _, metrics in experiments])]
    write_atomic(to, page(title, *parts))


def _check_names(path: Path, metrics: Metrics) -> None:
    for evaluation, starts in metrics.evaluations.items():
        for name in (evaluation, *starts):
            if not NAME.fullmatch(name):
                raise UserError(
                    f"{path}: an evaluation or a start is called {quoted(name)}: should be of letters, digits, _ and -"
                )


def _variant(metrics: Metrics) -> tuple[str, str, str] | None:
    """Grid, axis and variant of an experiment that is one of a grid."""
    parts = metrics.experiment.split("-", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else None


def _headlines(experiments: Sequence[tuple[Path, Metrics]]) -> int:
    return sum(len(headlines(next(iter(starts.values()))))
               for _, metrics in experiments for starts in metrics.evaluations.values() if starts)  # fmt: skip


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
        found = first_headlines(metrics)
        named = [cell(metrics.experiment), cell(str(metrics.training.get("method", "–")))]
        named.append(cell(number(metrics.training.get("samples"))))
        if not found:
            rows.append([*named, *map(cell, ("–", "–", "–", None, "–"))])
        for headline, row in islice(found.items(), MOST_ROWS):
            rows.append([*named, *_measured(metrics, headline, row)])
            named = [cell("")] * 3
        if (left := len(found) - MOST_ROWS) > 0:
            rows.append([*named, cell(f"and {left} more, on its own page"), *[cell("")] * 4])
    columns = ["experiment", "method", "samples", "measured", "on", "from", "value", "than the best baseline"]
    return table(columns, rows, (2, 6))


def _grids(experiments: Sequence[Metrics]) -> str:
    """A row for each axis of each grid: its best variant by the first headline; nothing where there are no grids."""
    axes: dict[tuple[str, str], list[tuple[str, Metrics]]] = {}
    for metrics in experiments:
        if (place := _variant(metrics)) and metrics.evaluations:
            axes.setdefault(place[:2], []).append((place[2], metrics))
    rows = []
    above = ""
    for (grid, axis), variants in axes.items():
        headline = next((one for _, metrics in variants for one in first_headlines(metrics)), None)
        measured = [
            (variant, metrics, row)
            for variant, metrics in variants
            if headline and (row := first_headlines(metrics).get(headline)) and row.value is not None
        ]
        if headline is None or not measured:
            continue
        choose = max if measured[0][2].better == "higher" else min
        best, metrics, row = choose(measured, key=lambda one: one[2].value or 0.0)
        named = [cell("" if grid == above else grid), cell(axis), cell(len(variants)), cell(best)]
        rows.append([*named, *_measured(metrics, headline, row)])
        above = grid
    columns = ["grid", "axis", "variants", "best of them", "measured", "on", "from", "value", "than the best baseline"]
    return table(columns, rows, (2, 7)) if rows else ""


def _measured(metrics: Metrics, headline: Headline, row: Row) -> list[str]:
    """The cells of a number: what it is, on what, from which start, and what it is to be held against."""
    evaluation, _ = headline
    best = row.best_baseline()
    better = f"{improvement(row.improvement())} than {best[0]}" if best and row.improvement() is not None else "–"
    return [
        cell(f"{evaluation}: {label(row)}"),
        cell(f"{row.dataset}{f', {row.subset}' if row.subset else ''}"),
        cell(next(iter(metrics.evaluations[evaluation]))),
        cell("–" if row.value is None else f"{numeral(row.value)} {row.unit}".strip(), kind="number"),
        cell(better),
    ]
