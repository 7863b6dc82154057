"""Segmentation outside the workflow, on the command line: segment a folder, score the results, train a forest."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from common_fate.errors import UserError
from common_fate.shards.files import write_atomic
from common_fate.shards.folders import alone

Images = Annotated[Path, typer.Argument(help="A folder of images.")]


def segment(
    images: Images,
    to: Annotated[Path, typer.Option(help="Where the folders contours, ridges, ucm2 and records go.")],
    options: Annotated[str, typer.Option(help="Options of the stage regions as JSON.")] = "{}",
) -> None:
    """Contours and region trees of a folder of images, as PNG and as the Berkeley tools' ucm2.

    Run again, it makes what is missing: what failed, what changed, and what a killed run left.
    """
    from pipeline.columns.regions.segment import FAILURES
    from pipeline.columns.regions.segment import segment as run
    from pipeline.columns.regions.stage import RegionOptions

    with alone(to, wait=True):
        done = run(images, to, _built(RegionOptions, options))
    typer.echo(f"{to}: {done.made} images segmented" + (f", {done.stood} were there" if done.stood else ""))
    if failed := len(done.failures):
        raise UserError(f"{failed} of {failed + done.made + done.stood} images failed, as {to / FAILURES} says")


def benchmark_segmentation(
    results: Annotated[list[Path], typer.Argument(help="Folders of results, a file an image: .png, .npy or .mat.")],
    truth: Annotated[Path, typer.Option(help="A folder of BSDS500's ground truth, such as groundTruth/val.")],
    thresholds: Annotated[int, typer.Option(min=1, help="How many thresholds, evenly spread.")] = 99,
    contours: Annotated[bool, typer.Option(help="Match contours, which takes most of the time.")] = True,
    to: Annotated[Path | None, typer.Option(help="A folder for scores.json and images.csv of each.")] = None,
) -> None:
    """Score contours and regions as BSDS500 does: ODS, OIS and AP; covering, Rand index, variation of information.

    Several folders stand side by side on the images that they share.
    """
    from pipeline.scores import bsds

    shared = sorted(set.intersection(*(set(bsds.held(folder)) for folder in results)))
    if not shared:
        raise UserError("the folders of results have no image in common")
    distinct = len({folder.name for folder in results}) == len(results)
    names = [folder.name if distinct else str(folder) for folder in results]
    scores = {
        name: bsds.evaluate(folder, truth, thresholds, shared, contours)
        for name, folder in zip(names, results, strict=True)
    }
    if to:
        for name, score in scores.items():
            bsds.write_scores(score, to / name.replace("/", "_"))
    typer.echo(bsds.table(scores))


def train_forest(
    images: Images,
    truth: Annotated[Path, typer.Argument(help="Human segmentations in BSDS500's form: a folder of .mat.")],
    to: Annotated[Path, typer.Option(help="The forest to write: .yml.gz; its record .json comes beside it.")],
    options: Annotated[str, typer.Option(help="Options of the training as JSON.")] = "{}",
) -> None:
    """Train a structured forest for contours, in the format that OpenCV reads."""
    from pipeline.columns.regions.contours.forest_training import ForestTrainingOptions
    from pipeline.columns.regions.contours.forest_training import train_forest as run

    if not to.name.endswith(".yml.gz"):
        raise UserError(f"--to {to}: should end in .yml.gz")
    record = run(images, truth, to, _built(ForestTrainingOptions, options))
    write_atomic(
        to.with_name(to.name.removesuffix(".yml.gz") + ".json"), (json.dumps(record, indent=1) + "\n").encode()
    )
    typer.echo(f"wrote {to}: {sum(record['nodes']):,} nodes of {len(record['nodes'])} trees")


def _built(options: type[Any], text: str) -> Any:
    try:
        return options(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise UserError(f"--options: {error}") from error
