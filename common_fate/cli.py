"""The command line of finished shards: `common-fate`, or `python -m common_fate`.

Each command imports what it needs when it runs.
"""

import errno
import os
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common_fate import __version__
from common_fate.errors import UserError, check_address_space

if TYPE_CHECKING:
    from common_fate.tables import Table

RESULTS = Path("results")

app = typer.Typer(
    help="Finished shards: check them, look at them, fetch, export and share them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Folder = Annotated[Path, typer.Argument(help="A dataset (results/NAME), or one of its columns or views.")]


class Images(StrEnum):
    """What images become."""

    jpg = "jpg"
    png = "png"


class Flow(StrEnum):
    """What flow becomes."""

    flo = "flo"
    kitti = "kitti"
    color = "color"
    arrows = "arrows"


class Regions(StrEnum):
    """What regions become."""

    png = "png"
    ucm2 = "ucm2"


class Arrays(StrEnum):
    """What arrays become."""

    npy = "npy"
    csv = "csv"


def main() -> None:
    """Runs `common-fate`."""
    run(app, "common-fate")


def run(commands: typer.Typer, name: str) -> None:
    """Runs a command line; what the user can put right is one line, without a traceback."""
    try:
        try:
            check_address_space()
            commands(prog_name=name)
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:  # but for a closed pipe, of which typer makes a quiet exit
        _drop_output()
        sys.exit(f"error: {_what_failed(error)}")


def _drop_output() -> None:
    """Lets what standard output could not take go, or Python would try again when it ends, and complain."""
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.__stdout__.fileno() if sys.__stdout__ else descriptor)
        os.close(descriptor)


def _what_failed(error: OSError) -> str:
    """An error of the system in one line: the file, where it names one, and what is wrong with it."""
    from common_fate.shards.files import advice

    if error.filename is not None:
        return (
            f"{os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename}: {advice(error)}"
        )
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return f"{'the output cannot be written: ' * full}{advice(error)}"


def add_version(commands: typer.Typer) -> None:
    """Gives a command line the option `--version`."""

    def say(asked: bool) -> None:
        if asked:
            typer.echo(f"Common Fate {__version__}")
            raise typer.Exit

    @commands.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", callback=say, is_eager=True, help="Say which it is.")
        ] = False,
    ) -> None:
        pass


def verify(
    place: Annotated[str, typer.Argument(help="A dataset (results/NAME), a column or a view; or a view's address.")],
    full: Annotated[bool, typer.Option("--full", help="Also compare every sha256 and decode every member.")] = False,
) -> None:
    """Check that every shard is there, whole, and what its record and manifest say."""
    from common_fate.remote.address import is_address

    if is_address(place):
        _verify_address(place, full)
        return
    from common_fate.datasets import verify as verification

    folder = Path(place)
    problems = verification.verify(folder, full)
    for problem in problems:
        typer.echo(problem)
    if serious := sum(not problem.harmless for problem in problems):
        raise UserError(f"{folder}: {serious} problem{'s' * (serious > 1)}")
    typer.echo(f"{folder}: in order{'' if full else ' (sizes and counts; --full reads every byte)'}")


def _verify_address(address: str, full: bool) -> None:
    from common_fate.datasets.fetch import faults
    from common_fate.remote.cache import Cache

    if full:
        raise UserError(
            f"{address}: --full reads every byte: copy it (python -m common_fate fetch {address} --to DIR), then "
            "verify --full the copy"
        )
    found = faults(address, Cache())
    for fault in found:
        typer.echo(fault)
    if found:
        raise UserError(f"{address}: {len(found)} problem{'s' * (len(found) > 1)}")
    typer.echo(f"{address}: in order (its tables by their sums, its shards by their sizes)")


def stats(
    folder: Folder,
    to: Annotated[Path | None, typer.Option(help="A folder for the tables as HTML pages.")] = None,
) -> None:
    """Say what there is: samples, failures and drops by reason, motion, guidance points."""
    from common_fate.datasets import stats as statistics
    from common_fate.shards.folders import alone

    names = ("columns", "shards", "failures", "dropped")
    with alone(*([to] if to else []), wait=True):
        for name, table in zip(names, statistics.stats(folder), strict=False):
            print_table(table, to and to / f"{name}.html")


def print_table(table: "Table", page: Path | None) -> None:
    """Prints a table, and writes it as a page where asked."""
    from common_fate.shards.files import write_atomic
    from common_fate.tables import html_table, text_table

    typer.echo(f"{table.title}\n\n{text_table(table.columns, table.rows)}\n{table.note}\n")
    if page:
        write_atomic(page, html_table(table.title, table.columns, table.rows, table.note).encode())


def show(
    folder: Annotated[Path, typer.Argument(help="A view or a column, or one of its shards.")],
    to: Annotated[Path, typer.Option(help="The picture to write: .png or .jpg.")],
    samples: Annotated[int, typer.Option(min=1, help="How many samples to draw, spread evenly.")] = 6,
) -> None:
    """Draw a contact sheet: frames, flow on the colour wheel, guidance as arrows."""
    import cv2

    from common_fate.datasets import show as drawing
    from common_fate.shards.files import write_atomic

    if to.suffix not in (".png", ".jpg"):
        raise UserError(f"--to {to}: should end in .png or .jpg")
    picture = cv2.cvtColor(drawing.show(folder, samples), cv2.COLOR_RGB2BGR)
    write_atomic(to, cv2.imencode(to.suffix, picture)[1].tobytes())


def fetch(
    address: Annotated[str, typer.Argument(help="A folder's address: https://..., http://... or s3://...")],
    to: Annotated[Path, typer.Option(help="The folder for the copy.")],
) -> None:
    """Copy a shared folder from another machine; every file is checked, and what is there already stays."""
    from common_fate.datasets import fetch as fetching
    from common_fate.remote.fetch_file import Patience

    fetched = fetching.fetch(address, to, Patience())
    typer.echo(f"{to}: complete, every sum is right ({fetched} files fetched)")


def export(
    folder: Annotated[Path, typer.Argument(help="A view or a column, or one of its shards.")],
    to: Annotated[Path, typer.Option(help="The folder for the files: KEY.MEMBER.ENDING.")],
    key: Annotated[list[str] | None, typer.Option(help="A sample's key, once or several times; else all.")] = None,
    images: Annotated[Images, typer.Option(help="Images as they are, or decoded.")] = Images.jpg,
    flow: Annotated[
        Flow, typer.Option(help="Flow as .flo, KITTI's 16-bit PNG, or pictures of it in colours or arrows.")
    ] = Flow.flo,
    regions: Annotated[
        Regions, typer.Option(help="Regions as labels and a tree, or as ucm2, the field's contour map, in a .mat.")
    ] = Regions.png,
    arrays: Annotated[Arrays, typer.Option(help="Points and trees as NumPy files or as text.")] = Arrays.npy,
) -> None:
    """Write samples as plain files: images, flow, masks and labels, points and trees, facts."""
    from common_fate.datasets import export as exporting

    forms = exporting.Forms(images.value, flow.value, regions.value, arrays.value)
    files = exporting.export(folder, to, key or (), forms)
    typer.echo(f"{to}: {files:,} file{'s' * (files != 1)}")


def share(
    sources: Annotated[
        list[Path], typer.Argument(help="A view (results/NAME/shards/VIEW), or columns (results/NAME/COLUMN).")
    ],
    to: Annotated[Path, typer.Option(help="The folder to write: new, empty, or an earlier share of the same.")],
    without_pixels: Annotated[
        bool, typer.Option("--without-pixels", help="Of a view, its columns but for the frames, and a recipe of those.")
    ] = False,
    licence: Annotated[list[str] | None, typer.Option(help="The licence of these shards as a whole.")] = None,
    cite: Annotated[str | None, typer.Option(help="How to cite them.")] = None,
    url: Annotated[str | None, typer.Option(help="Where they will be found.")] = None,
    published: Annotated[str | None, typer.Option(help="When they were published: YYYY-MM-DD.")] = None,
) -> None:
    """Write a folder that another lab can use as it is: shards, sums, description, card."""
    from common_fate.datasets.share.share import share as write_share
    from common_fate.manifest.croissant import Publication

    publication = Publication(tuple(licence or ()), cite, url, published)
    shared = write_share(sources, to, without_pixels, publication)
    typer.echo(f"{to}: {shared.title}{', without pixels' if shared.frames else ''}; {to / 'README.md'} is its card")


def merge(
    views: Annotated[list[Path], typer.Argument(help="The views, two or more: results/DATASET/shards/VIEW.")],
    dataset: Annotated[str, typer.Option(help="The new dataset's name: it comes to results/NAME.")],
) -> None:
    """Copy the same view of several datasets into one of a new dataset; ids get their dataset's name in front."""
    from common_fate.datasets import merge as merging

    made = merging.merge(views, RESULTS / dataset)
    for line in merging.differences(views):
        typer.echo(f"options differ (each shard's record has its own): {line}")
    typer.echo(_what_was_written(made))


def split(
    view: Annotated[Path, typer.Argument(help="The view: results/DATASET/shards/VIEW.")],
    train: Annotated[str, typer.Option(help="The name of the dataset to train on: it comes to results/NAME.")],
    val: Annotated[str, typer.Option(help="The name of the dataset to validate on.")],
    hold_out: Annotated[float, typer.Option(help="The share of videos to validate on.")] = 0.1,
) -> None:
    """Copy a view into one to train on and one to validate on, by video, as an experiment divides it."""
    from common_fate.datasets import split as splitting

    for made in splitting.split(view, RESULTS / train, RESULTS / val, hold_out):
        typer.echo(_what_was_written(made))


def _what_was_written(view: Path) -> str:
    from common_fate.manifest.shards import read_shards

    table = read_shards(view)
    samples, size = (sum(table[name].to_pylist()) for name in ("samples", "bytes"))
    counts = [
        f"{count:,} {what}{'s' * (count != 1)}" for count, what in ((samples, "sample"), (table.num_rows, "shard"))
    ]
    return f"wrote {view}: {' in '.join(counts)}, {size:,} bytes"


COMMANDS = (verify, stats, show, fetch, export, share, merge, split)
"""`python -m pipeline` has them as well."""

for _command in COMMANDS:
    app.command()(_command)
add_version(app)
