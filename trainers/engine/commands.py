"""Training on the command line, whatever the method. Each command imports torch only once it runs."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from common_fate.errors import UserError
from common_fate.remote.cache import Cache
from pipeline.columns.flow.estimator_families import SHIPPED
from trainers.data.split import Split
from trainers.declarations import Method
from trainers.engine.options import Machine, build
from trainers.registry import METHODS

Views = Annotated[list[str], typer.Argument(help="Views: results/DATASET/shards/VIEW, or addresses (https://, s3://).")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that load data, per device.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of torch on a CPU; by default all.")]
CacheGB = Annotated[
    float | None, typer.Option(help="The most that copies of shards from other machines may take, in GB.", min=0)
]


def train(
    method: Annotated[str, typer.Argument(help=f"What to train: {', '.join(METHODS)}.")],
    views: Views,
    to: Annotated[Path, typer.Option(help="The experiment's folder: results/experiments/NAME.")],
    validate: Annotated[list[str] | None, typer.Option(help="A view to measure on, whole.")] = None,
    options: Annotated[
        str, typer.Option(help="The method's options as JSON; what is left out has its default.")
    ] = "{}",
    split: Annotated[str, typer.Option(help="JSON: validation_share and train_share of the views' videos.")] = "{}",
    start: Annotated[Path | None, typer.Option(help="Weights to start from: .safetensors or .pth.")] = None,
    teacher: Annotated[Path | None, typer.Option(help="The model.safetensors of the network that teaches.")] = None,
    workers: Workers = 2,
    threads: Threads = None,
    cache_gb: CacheGB = None,
) -> None:
    """Train, or take a killed run up again. On N GPUs: torchrun --standalone --nproc-per-node N -m -- trainers ..."""
    trained = method_named(method)
    chosen, sides = from_json(trained.options, options, "--options"), from_json(Split, split, "--split")
    from trainers.engine.train import train as run

    machine, cache = Machine(workers, threads), cache_of(cache_gb)
    run(trained, views, validate or [], chosen, sides, to, machine, start=start, teacher=teacher, cache=cache)


def check_groups() -> None:
    """Check that training.groups names parameters that there are. Experiments come as JSON by standard input.

    Of each, by the path of its key: its method, its options, and the file of its teacher or null.
    """
    from trainers.engine.train import check_groups

    for where, one in json.load(sys.stdin).items():
        method = method_named(one["method"])
        try:
            check_groups(method, build(method.options, one["options"]), one["teacher"] and Path(one["teacher"]))
        except (UserError, ValueError) as error:
            raise UserError(f"{where}.{error}") from error


def encoder(
    model: Annotated[Path, typer.Argument(help="results/experiments/NAME/model.safetensors")],
    to: Annotated[Path, typer.Option(help="The file to write: .safetensors.")],
) -> None:
    """Write the image encoder of a trained network as a file of its own, under torchvision's names."""
    from trainers.models.weights_file import extract_encoder

    extract_encoder(model, to)


def ship_flow(
    experiments: Annotated[
        list[Path],
        typer.Argument(help="results/experiments/NAME: all that the weights come from, the one they are of last."),
    ],
    machine: Annotated[str, typer.Option(help="What trained them, in words: two cores of a x86-64 machine, no GPU.")],
    to: Annotated[Path, typer.Option(help="The file to write: .safetensors; its record .json comes beside.")] = SHIPPED,
) -> None:
    """Write a flow network as the weights of the estimator `network`, with a record of data, options and quality."""
    if to.suffix != ".safetensors":
        raise UserError(f"--to {to}: should end in .safetensors")
    from trainers.models.shipping import ship_flow

    record = ship_flow(experiments, machine, to)
    typer.echo(f"wrote {to}: {record['bytes']:,} bytes; flow differs by {record['rounding']['mean']} px on average")


def ship(
    experiments: Annotated[
        list[Path],
        typer.Argument(help="results/experiments/NAME: all that the weights come from, the one they are of last."),
    ],
    evaluation: Annotated[str, typer.Option(help="The evaluation of it that says how good they are.")],
    machine: Annotated[str, typer.Option(help="What trained them, in words: two cores of a x86-64 machine, no GPU.")],
    to: Annotated[
        Path | None,
        typer.Option(help="The file to write: .safetensors; its record .json comes beside. By default the project's."),
    ] = None,
) -> None:
    """Write a model as the one that is used where no model is given, with a record of data, options and quality."""
    from trainers.models.ship_model import ship_model
    from trainers.models.shipped import FOLDER
    from trainers.models.weights_file import read_about

    method = method_named(str(read_about(experiments[-1] / "model.safetensors").get("method")))
    path = to or FOLDER / f"{method.name}.safetensors"
    if path.suffix != ".safetensors":
        raise UserError(f"--to {path}: should end in .safetensors")
    record = ship_model(experiments, evaluation, machine, path)
    typer.echo(f"wrote {path}: {record['bytes']:,} bytes")


def method_named(name: str) -> Method:
    """Returns a method by its name.

    Raises:
        UserError: there is none.
    """
    if name not in METHODS:
        raise UserError(f"there is no method {name!r}: should be one of {', '.join(METHODS)}")
    return METHODS[name]


def from_json(options: type[Any], text: str, name: str) -> Any:
    """Returns a dataclass of options from JSON that was given as the command's option `name`.

    Raises:
        UserError: it is no JSON, or an option in it is refused.
    """
    try:
        return build(options, json.loads(text))
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error


def cache_of(gigabytes: float | None) -> Cache:
    """Returns the cache of views on other machines, limited to so many gigabytes."""
    return Cache(limit=None if gigabytes is None else round(gigabytes * 1e9))
