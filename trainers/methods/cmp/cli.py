"""Conditional motion propagation on the command line."""

import json
from pathlib import Path
from typing import Annotated

import typer

from common_fate.errors import UserError
from common_fate.remote.cache import Cache
from trainers.engine.options import build
from trainers.methods.cmp.apps.commands import animate, annotate, propagate
from trainers.methods.cmp.options import CMPOptions

app = typer.Typer(help="Conditional motion propagation (Zhan et al., CVPR 2019).", no_args_is_help=True)
for command in (propagate, animate, annotate):
    app.command()(command)

Views = Annotated[list[str], typer.Argument(help="Views: results/DATASET/shards/cmp, or addresses (https://, s3://).")]
CacheGB = Annotated[
    float | None, typer.Option(help="The most that copies of shards from other machines may take, in GB.", min=0)
]


@app.command()
def train(
    views: Views,
    to: Annotated[Path, typer.Option(help="The experiment's folder: results/experiments/NAME.")],
    validate: Annotated[list[str] | None, typer.Option(help="A view to measure on, whole.")] = None,
    options: Annotated[str, typer.Option(help="The options as JSON; what is left out has its default.")] = "{}",
    workers: Annotated[int, typer.Option(min=0, help="Processes that load data, per device.")] = 2,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch on a CPU; by default all.")] = None,
    cache_gb: CacheGB = None,
) -> None:
    """Train, or take a killed run up again. On N GPUs: torchrun --standalone --nproc-per-node N -m -- trainers ..."""
    from trainers.engine.options import Machine
    from trainers.methods.cmp.train import train as run

    run(views, validate or [], _options(options), to, Machine(workers, threads), _cache(cache_gb))


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="results/experiments/NAME/model.safetensors")],
    views: Views,
    to: Annotated[Path, typer.Option(help="The JSON file to write.")],
    pictures: Annotated[Path | None, typer.Option(help="A picture of samples to write: .png.")] = None,
    side: Annotated[
        str, typer.Option(help="Which videos: 'held out' as the model was trained, or 'all'.")
    ] = "held out",
    cache_gb: CacheGB = None,
) -> None:
    """Measure end-point errors, beside no motion and the motion of the nearest guidance point."""
    from trainers.evaluations.propagation.evaluate import evaluate_model

    evaluate_model(model, views, to, pictures, side, _cache(cache_gb))


def _cache(gigabytes: float | None) -> Cache:
    return Cache(limit=None if gigabytes is None else round(gigabytes * 1e9))


def _options(text: str) -> CMPOptions:
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("it should be a JSON object")
        return build(CMPOptions, values)
    except (TypeError, ValueError) as error:
        raise UserError(f"--options: {error}") from error
