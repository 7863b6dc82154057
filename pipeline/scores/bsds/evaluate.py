"""A folder of results against BSDS500's people: scores, their table, and their files."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError
from common_fate.progress import progress
from common_fate.shards.files import write_atomic
from common_fate.shards.folders import alone
from common_fate.tables import text_table
from pipeline.scores.bsds.contours import ContourCounts, ContourScores, best_f_measure, contour_counts, contour_scores
from pipeline.scores.bsds.regions import RegionCounts, RegionScores, region_counts, region_scores
from pipeline.scores.bsds.results import SUFFIXES, read_result
from pipeline.scores.bsds.truth import read_truth

_COLUMNS = {  # of the table, by the score
    "contours.ods": "F ODS",
    "contours.ois": "F OIS",
    "contours.ap": "AP",
    "regions.covering_ods": "cover ODS",
    "regions.covering_ois": "cover OIS",
    "regions.covering_best": "cover best",
    "regions.rand_ods": "PRI ODS",
    "regions.rand_ois": "PRI OIS",
    "regions.variation_ods": "VI ODS",
    "regions.variation_ois": "VI OIS",
}


@dataclass(frozen=True)
class Scores:
    """A set of images.

    Args:
        thresholds: strictly rising; of segmentations, their numbers.
        contours, regions: None where not asked for, and regions where the results have none.
        images: one row an image: its name, and its own best figures with their thresholds.
    """

    thresholds: tuple[float, ...]
    contours: ContourScores | None
    regions: RegionScores | None
    images: tuple[Mapping[str, Any], ...]


def evaluate(
    results: Path, truth: Path, thresholds: int = 99, images: Sequence[str] | None = None, contours: bool = True
) -> Scores:
    """Scores a folder of results.

    Args:
        results: one file an image, named as the image; see `read_result` for what it may hold.
        truth: BSDS500's .mat files, such as groundTruth/val.
        thresholds: how many, evenly inside (0, 1). Segmentations bring their own number.
        images: which to score; every image of `truth` by default.
        contours: whether contours are matched, which takes most of the time; regions are always measured.

    Raises:
        UserError: an image has no result or two, or what `read_result` and `read_truth` raise.
    """
    if thresholds < 1:
        raise UserError(f"thresholds is {thresholds}: take a number from 1 up")
    known = _files(truth, (".mat",))
    names = sorted(known if images is None else images)
    files = _files(results, SUFFIXES)
    for where, there in ((truth, known), (results, files)):
        if missing := [name for name in names if name not in there]:
            what = "result" if there is files else "ground truth"
            raise UserError(f"{where}: no {what} for {len(missing)} of {len(names)} images, such as {missing[0]}")
    steps: NDArray[np.float64] | None = None
    lines: list[ContourCounts] = []
    areas: list[RegionCounts] = []
    for name in progress(names, len(names), results.name):
        humans = read_truth(known[name])
        result = read_result(files[name], humans[0].labels.shape)
        own = result.thresholds(thresholds)
        steps = own if steps is None else steps
        if len(own) != len(steps):
            raise UserError(f"{files[name]}: has {len(own)} thresholds or segmentations, {names[0]} {len(steps)}")
        if contours:
            lines.append(contour_counts(result.contours(steps), humans))
        if (tables := result.tables(steps, humans)) is not None:
            areas.append(region_counts(tables))
    if len(areas) not in (0, len(names)):
        raise UserError(f"{results}: only {len(areas)} of {len(names)} results have regions: keep one kind in a folder")
    assert steps is not None  # there is an image
    return Scores(
        thresholds=tuple(steps.tolist()),
        contours=contour_scores(lines, steps) if lines else None,
        regions=region_scores(areas, steps) if areas else None,
        images=tuple(_image_row(i, name, lines, areas, steps) for i, name in enumerate(names)),
    )


def held(folder: Path) -> list[str]:
    """Lists the names of the images that a folder of results has.

    Raises:
        UserError: it has none, or two files of one name.
    """
    return sorted(_files(folder, SUFFIXES))


def table(scores: Mapping[str, Scores]) -> str:
    """Writes a table for the terminal: a row for each set of results, by its name."""
    kept = {key: title for key, title in _COLUMNS.items() if any(_score(s, key) is not None for s in scores.values())}
    rows = [[name, len(s.images), *(_score(s, key) for key in kept)] for name, s in scores.items()]
    return text_table(["results", "images", *kept.values()], rows)


def write_scores(scores: Scores, folder: Path) -> None:
    """Writes `scores.json`, with the curve, and `images.csv`, with a row an image.

    Raises:
        UserError: they cannot be written.
    """
    facts = {"thresholds": scores.thresholds, "images": len(scores.images)}
    for part in ("contours", "regions"):
        if (value := getattr(scores, part)) is not None:
            facts[part] = asdict(value)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(scores.images[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(scores.images)
    with alone(folder, wait=True):
        write_atomic(folder / "scores.json", (json.dumps(facts, indent=2) + "\n").encode())
        write_atomic(folder / "images.csv", text.getvalue().encode())


def _files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of these kinds by name without suffix."""
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in suffixes and not path.name.startswith("."):
            if path.stem in files:
                raise UserError(f"{folder}: has {files[path.stem].name} and {path.name}: keep one file an image")
            files[path.stem] = path
    if not files:
        raise UserError(f"{folder}: has no file that ends in {' or '.join(suffixes)}")
    return files


def _image_row(
    i: int, name: str, lines: Sequence[ContourCounts], areas: Sequence[RegionCounts], steps: NDArray[np.float64]
) -> dict[str, Any]:
    row: dict[str, Any] = {"image": name}
    if lines:
        row |= dict(zip(("f_threshold", "recall", "precision", "f"), best_f_measure(lines[i], steps), strict=True))
    if areas:
        for measure, values, best in (
            ("covering", areas[i].covering, np.argmax),
            ("rand", areas[i].rand, np.argmax),
            ("variation", areas[i].variation, np.argmin),
        ):
            row |= {f"{measure}_threshold": float(steps[best(values)]), measure: float(values[best(values)])}
        row["covering_best"] = float(areas[i].overlaps.max(axis=0) @ areas[i].areas / areas[i].areas.sum())
    return row


def _score(scores: Scores, key: str) -> float | None:
    part, name = key.split(".")
    return getattr(getattr(scores, part), name, None)
