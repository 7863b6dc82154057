"""The estimate on the command line."""

from typing import Annotated

import typer

from common_fate.errors import UserError
from pipeline.registry import VIEWS


def estimate(
    clips: Annotated[int, typer.Option(min=1, help="How many videos; YFCC100M's of CMP by default.")] = 205_000,
    times: Annotated[int, typer.Option(min=1, help="So many times as many.")] = 1,
    frames_per_clip: Annotated[float, typer.Option(min=1, help="Frames kept of each.")] = 7.8,
    pairs_per_clip: Annotated[float, typer.Option(min=0, help="Pairs that they form.")] = 6.15,
    width: Annotated[int, typer.Option(min=16, help="Of a frame as it is kept, in pixels.")] = 555,
    height: Annotated[int, typer.Option(min=16, help="Of a frame as it is kept, in pixels.")] = 416,
    view: Annotated[list[str], typer.Option(help=f"{', '.join(VIEWS)}; more than once for several.")] = ["cmp"],  # noqa: B006
    videos_per_shard: Annotated[int, typer.Option(min=1, help="As in config.yaml.")] = 316,
    cores: Annotated[int, typer.Option(min=1, help="How many work at once.")] = 200,
    cluster: Annotated[bool, typer.Option(help="Jobs start on the nodes of a cluster, or on this machine.")] = True,
    core_hour: Annotated[float, typer.Option(min=0, help="Dollars.")] = 0.04,
    gpu_hour: Annotated[float, typer.Option(min=0, help="Dollars.")] = 2.0,
    tb_month: Annotated[float, typer.Option(min=0, help="Dollars for a terabyte kept a month.")] = 20.0,
    months: Annotated[float, typer.Option(min=0, help="How long all of it is kept.")] = 1.0,
    gpu_ms: Annotated[float | None, typer.Option(min=0, help="Flow by a network: GPU milliseconds a pair.")] = None,
) -> None:
    """Say what a dataset will take: bytes, core hours, dollars, jobs, files; and what that assumes."""
    from pipeline.upkeep.estimate import Terms, Work, report

    if unknown := [name for name in view if name not in VIEWS]:
        raise UserError(f"--view {unknown[0]}: should be one of {', '.join(VIEWS)}")
    views = list(dict.fromkeys(view))
    work = Work(clips * times, frames_per_clip, pairs_per_clip, height, width, views, videos_per_shard, gpu_ms)
    typer.echo(report(work, Terms(cores, cluster, core_hour, gpu_hour, tb_month, months)))
