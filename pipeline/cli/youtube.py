"""Lists of YouTube-8M's videos, on the command line."""

from pathlib import Path
from typing import Annotated

import typer

INDEX = "https://storage.googleapis.com/data.yt8m.org/2/j"


def youtube8m(
    categories: Annotated[list[str], typer.Argument(help="Categories: Bird Cat Dog. Quote names of several words.")],
    vocabulary: Annotated[Path, typer.Option(help='The list of categories, lines of `mid = "..."<TAB>NAME (COUNT)`.')],
    per_category: Annotated[int, typer.Option(min=1, help="How many videos of each.")],
    to: Annotated[Path, typer.Option(help="The list to write; what it has already is kept, and not asked again.")],
    seed: Annotated[int, typer.Option(min=0, help="Which videos are drawn.")] = 0,
    index: Annotated[str, typer.Option(help="The index's address.")] = INDEX,
    pause: Annotated[float, typer.Option(min=0, help="Seconds between two requests.")] = 0.1,
) -> None:
    """Look up which videos a category of YouTube-8M has, for the source `youtube` to read."""
    from pipeline.sources.youtube.youtube8m import resolve

    count = resolve(categories, vocabulary, per_category, to, seed=seed, index=index, pause=pause)
    typer.echo(f"wrote {to}: {count:,} videos")
