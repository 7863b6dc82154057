"""Taking over shards from elsewhere, on the command line."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common_fate.datasets.copied_views import check_name
from common_fate.datasets.share.description import read_shared
from common_fate.errors import UserError

if TYPE_CHECKING:
    from pipeline.sharing.adopt_columns import Compared


def adopt(
    folder: Annotated[Path, typer.Argument(help="Shards from elsewhere: a view or a column with its manifest.")],
    dataset: Annotated[str, typer.Option(help="What to call it here: it becomes results/NAME.")],
    videos: Annotated[
        str | None, typer.Option(help="For shards without pixels: your copies of the videos, a folder or a glob.")
    ] = None,
) -> None:
    """Make shards from elsewhere a dataset here, after checking every byte."""
    from pipeline.sharing import adopt_columns as joining
    from pipeline.sharing.adopt_view import adopt as run

    check_name(dataset, "--dataset")
    place = Path("results") / dataset
    shared = read_shared(folder)
    if shared and shared.frames:
        adoption, compared = joining.join(folder, shared, place, videos)
        typer.echo(_frames(compared))
    elif videos is not None:
        raise UserError(f"{folder}: comes with its frames, or needs none: leave out --videos")
    else:
        adoption = run(folder, place)
    typer.echo(f"{place}: adopted {_shards(adoption.shards)}; views: {', '.join(adoption.views) or 'none'}")
    if adoption.missing:
        typer.echo(f"not in {folder}, and left out: {_shards(adoption.missing)}")
    typer.echo(f"In config.yaml, under datasets:\n  {dataset}: {{source: {{kind: adopted}}}}")


def _frames(compared: "Compared") -> str:
    counts = {
        "are exactly the recipe's": compared.exact,
        "look the same": compared.alike,
        "are different and left out": compared.differing,
        "are not to be had": compared.absent,
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    lacking = f"; videos that are not here: {compared.videos_absent}" if compared.videos_absent else ""
    return f"of {compared.wanted} frames, {told}{lacking}"


def _shards(names: list[str]) -> str:
    listed = ", ".join(names) if len(names) <= 8 else f"{names[0]} to {names[-1]}"
    return f"{len(names)} shard{'s' * (len(names) > 1)} ({listed})"
