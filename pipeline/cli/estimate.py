"""The estimate on the command line."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common_fate.errors import UserError
from pipeline.registry import VIEWS

if TYPE_CHECKING:
    from pipeline.upkeep.estimate import Terms
    from pipeline.upkeep.estimate_datasets import Told

RESULTS = Path("results")


def estimate(
    configfile: Annotated[
        Path | None, typer.Option(help="The datasets of a configuration, such as config.yaml, in place of clips.")
    ] = None,
    clips: Annotated[
        int | None, typer.Option(min=1, help="How many videos; YFCC100M's of CMP, 205,000, by default.")
    ] = None,
    times: Annotated[int | None, typer.Option(min=1, help="So many times as many.")] = None,
    frames_per_clip: Annotated[float | None, typer.Option(min=1, help="Frames kept of each: 7.8.")] = None,
    pairs_per_clip: Annotated[float | None, typer.Option(min=0, help="Pairs that they form: 6.15.")] = None,
    width: Annotated[int | None, typer.Option(min=16, help="Of a frame as it is kept, in pixels: 555.")] = None,
    height: Annotated[int | None, typer.Option(min=16, help="Of a frame as it is kept, in pixels: 416.")] = None,
    view: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(VIEWS)}; more than once for several; cmp by default.")
    ] = None,
    videos_per_shard: Annotated[int | None, typer.Option(min=1, help="As in config.yaml: 316.")] = None,
    cores: Annotated[
        int | None, typer.Option(min=1, help="How many work at once: 200, or with --configfile this machine's.")
    ] = None,
    cluster: Annotated[
        bool | None,
        typer.Option(
            "--cluster/--no-cluster",
            help="Jobs start on the nodes of a cluster, or on this machine, as with --configfile by default.",
        ),
    ] = None,
    core_hour: Annotated[float, typer.Option(min=0, help="Dollars.")] = 0.04,
    gpu_hour: Annotated[float, typer.Option(min=0, help="Dollars.")] = 2.0,
    tb_month: Annotated[float, typer.Option(min=0, help="Dollars for a terabyte kept a month.")] = 20.0,
    months: Annotated[float, typer.Option(min=0, help="How long all of it is kept.")] = 1.0,
    gpu_ms: Annotated[float | None, typer.Option(min=0, help="Flow by a network: GPU milliseconds a pair.")] = None,
) -> None:
    """Say what datasets will take: bytes, core hours, dollars, jobs, files; and what that assumes."""
    from pipeline.upkeep.estimate import Terms, Work, report

    mine = configfile is not None
    here = len(os.sched_getaffinity(0)) if mine else 200
    on_cluster = not mine if cluster is None else cluster
    terms = Terms(cores or here, on_cluster, core_hour, gpu_hour, tb_month, months)
    if configfile is not None:
        from pipeline.upkeep.estimate_datasets import Told

        given = {"--clips": clips, "--times": times, "--view": view, "--videos-per-shard": videos_per_shard}
        if said := [name for name, value in given.items() if value is not None]:
            raise UserError(f"{said[0]}: {configfile} says that: leave this out")
        typer.echo(_of_config(configfile, terms, Told(frames_per_clip, pairs_per_clip, width, height, gpu_ms)))
        return
    views = list(dict.fromkeys(view or ["cmp"]))
    if unknown := [name for name in views if name not in VIEWS]:
        raise UserError(f"--view {unknown[0]}: should be one of {', '.join(VIEWS)}")
    work = Work(
        clips=(clips or 205_000) * (times or 1),
        frames_per_clip=7.8 if frames_per_clip is None else frames_per_clip,
        pairs_per_clip=6.15 if pairs_per_clip is None else pairs_per_clip,
        height=height or 416,
        width=width or 555,
        views=views,
        videos_per_shard=videos_per_shard or 316,
        gpu_ms=gpu_ms,
        gpu=() if gpu_ms is None else ("flow",),
    )
    typer.echo(report([work], terms))


def _of_config(configfile: Path, terms: "Terms", told: "Told") -> str:
    """What the datasets of a configuration take."""
    from pipeline.config.load import load
    from pipeline.config.read_yaml import read_yaml
    from pipeline.upkeep.estimate import report
    from pipeline.upkeep.estimate_datasets import notes_of, work_of

    if not configfile.is_file():
        raise UserError(f"{configfile}: cannot be read: name your configuration with --configfile")
    config = read_yaml(configfile)
    found = load(config, str(configfile), RESULTS)
    datasets = {name: one for name, one in found.items() if not one.adopted}
    if not datasets:
        raise UserError(f"{configfile}: its datasets were adopted, and nothing is made of them")
    works = [work_of(dataset, RESULTS, told) for dataset in datasets.values()]
    notes = [line for work in works for line in notes_of(datasets[work.name], work, terms.cores)]
    notes += [
        f"{name}: was adopted, and its pictures and tables are not counted" for name in found if name not in datasets
    ]
    if config.get("experiments"):
        notes.append("jobs of experiments (training, evaluation, their reports) are not counted")
    return report(works, terms, notes)
