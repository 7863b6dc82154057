"""`python -m trainers evaluate`. Torch is imported when it runs."""

import json
import re
from pathlib import Path, PurePath
from typing import Annotated, Any

import typer

from common_fate.errors import UserError
from trainers.data.split import Split
from trainers.declarations import Evaluation, Method
from trainers.engine.commands import CacheGB, Threads, Workers, cache_of, from_json, method_named
from trainers.engine.options import Machine
from trainers.evaluations.job import Job
from trainers.evaluations.options import evaluation_options
from trainers.registry import EVALUATIONS

TRAINED = {"model": "model.safetensors", "encoder": "encoder.safetensors"}  # the starts that an experiment's folder has


def evaluate(
    evaluation: Annotated[str, typer.Argument(help="The evaluation's name: see docs/training.md.")],
    to: Annotated[Path, typer.Option(help="results/experiments/NAME/evaluations/EVALUATION/START.json, to write.")],
    views: Annotated[list[str] | None, typer.Argument(help="Views to measure on, or addresses of them.")] = None,
    model: Annotated[Path | None, typer.Option(help="An experiment, results/experiments/NAME: all of it.")] = None,
    method: Annotated[str | None, typer.Option(help="The experiment's method, without --model.")] = None,
    method_options: Annotated[str, typer.Option(help="The method's options as JSON, without --model.")] = "{}",
    split: Annotated[str, typer.Option(help="Which videos trained, as JSON, without --model.")] = "{}",
    start: Annotated[str | None, typer.Option(help="model, encoder, scratch, or a checkpoint's name or path.")] = None,
    weights: Annotated[Path | None, typer.Option(help="The file of the start's weights.")] = None,
    options: Annotated[str, typer.Option(help="The evaluation's options as JSON, over the encoder's recipe.")] = "{}",
    side: Annotated[
        str, typer.Option(help="Which videos: 'held out' as the model was trained, or 'all'.")
    ] = "held out",
    workers: Workers = 2,
    threads: Threads = None,
    cache_gb: CacheGB = None,
) -> None:
    """Measure what was trained. Where it fine-tunes, several GPUs: torchrun ... -m -- trainers evaluate ..."""
    declared = _evaluation_named(evaluation)
    of, of_options, held_out = _experiment(model, method, method_options, split)
    chosen = _options(declared, of, of_options, options)
    name, file = _start(declared, chosen, start, weights, model)
    job = Job(
        experiment=model.name if model else _experiment_of(to),
        method=of.name,
        method_options=of_options,
        start=name,
        weights=file,
        options=chosen,
        views=tuple(views or ()),
        side=side,
        validation_share=held_out.validation_share,
        runs=to.parent / "runs",
        machine=Machine(workers, threads),
        cache=cache_of(cache_gb),
    )
    from trainers.engine.devices import is_main_process
    from trainers.evaluations.run import run

    run(declared, job, to)
    if is_main_process():
        typer.echo(f"wrote {to}")


def checkpoint_name(path: PurePath) -> str:
    """Returns what a checkpoint is called: its file's name, or that of the experiment whose file it is."""
    named = path.parent.name if path.name in TRAINED.values() else path.stem
    return re.sub("[^A-Za-z0-9_-]", "_", named)


def _evaluation_named(name: str) -> Evaluation:
    if name not in EVALUATIONS:
        raise UserError(f"there is no evaluation {name!r}: should be one of {', '.join(EVALUATIONS)}")
    return EVALUATIONS[name]


def _experiment(model: Path | None, method: str | None, options: str, split: str) -> tuple[Method, Any, Split]:
    """The method, its options and the split: of an experiment's folder, or as they are given."""
    if model is not None:
        from trainers.models.saving import load_model

        trained = load_model(model / TRAINED["model"])
        return trained.method, trained.options, trained.split
    if method is None:
        raise UserError("what should be measured? give --model results/experiments/NAME, or --method")
    declared = method_named(method)
    return (
        declared,
        from_json(declared.options, options, "--method-options"),
        from_json(Split, split, "--split"),
    )


def _start(
    evaluation: Evaluation, options: Any, start: str | None, weights: Path | None, model: Path | None
) -> tuple[str, Path | None]:
    """What the start is called, and the file of its weights."""
    start = evaluation.trained(options) if start is None else start
    if start == "scratch":
        return start, None
    if weights is not None:
        return start, weights
    if start not in TRAINED:
        return checkpoint_name(PurePath(start)), Path(start)
    if model is None:
        raise UserError(f"--start {start} needs --weights, results/experiments/NAME/{TRAINED[start]}")
    return start, model / TRAINED[start]


def _experiment_of(to: Path) -> str:
    """The experiment whose folder a result is in, `NAME/evaluations/EVALUATION/START.json`."""
    parts = to.parts
    return parts[-4] if len(parts) > 3 and parts[-3] == "evaluations" else to.stem


def _options(evaluation: Evaluation, method: Method, method_options: Any, text: str) -> Any:
    encoder = method.encoder_for(method_options)
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("it should be a JSON object")
        return evaluation_options(evaluation, encoder, values)
    except ValueError as error:
        raise UserError(f"--options: {error}") from error
