"""Semantic segmentation on the command line."""

import json
from pathlib import Path
from typing import Annotated

import typer

from common_fate.errors import UserError
from trainers.evaluations.segmentation.options import SegmentationOptions, segmentation_options


def segmentation(
    encoder: Annotated[str, typer.Option(help="The encoder's name: resnet50, resnet18, vgg16 or alexnet.")],
    to: Annotated[Path, typer.Option(help="The JSON file to write: results/experiments/NAME/segmentation/START.json.")],
    options: Annotated[str, typer.Option(help="The options as JSON; what is left out is the encoder's recipe.")],
    start: Annotated[str, typer.Option(help="encoder (of --weights), scratch, or a checkpoint's path.")] = "encoder",
    weights: Annotated[Path | None, typer.Option(help="results/experiments/NAME/encoder.safetensors")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that load data, per device.")] = 2,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch on a CPU; by default all.")] = None,
) -> None:
    """Fine-tune an encoder for semantic segmentation, or go on where a killed run stopped, and measure its mean IoU.

    Several GPUs: torchrun --standalone --nproc-per-node N -m -- trainers segmentation ...
    """
    chosen = _options(encoder, options)
    checkpoint = {"encoder": weights, "scratch": None}.get(start, Path(start))
    if start == "encoder" and weights is None:
        raise UserError("--start encoder needs --weights, results/experiments/NAME/encoder.safetensors")
    from trainers.engine.options import Machine
    from trainers.evaluations.segmentation.train import segment

    segment(encoder, checkpoint, chosen, to, Machine(workers, threads))


def _options(encoder: str, text: str) -> SegmentationOptions:
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("it should be a JSON object")
        return segmentation_options(encoder, values)
    except (TypeError, ValueError) as error:
        raise UserError(f"--options: {error}") from error
