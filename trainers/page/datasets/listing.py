"""Which datasets and views there are. Names come from listings of folders: none that is asked for becomes a path."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from common_fate.datasets.catalog import read_plan
from common_fate.datasets.parts import PLAN, TAKEN, VIEWS, shards_in
from common_fate.errors import UserError
from common_fate.manifest.shards import SHARDS, read_shards
from trainers.page.site import Site

MOST_LISTED = 1000
"""Datasets, and views of each."""


def list_datasets(site: Site) -> list[dict[str, Any]]:
    """Returns the datasets, each with its views; what is damaged has its `error` in words."""
    return [_dataset(site, folder) for folder in _datasets(site)]


def view_folder(site: Site, dataset: str, view: str) -> Path:
    """Returns the folder of a view, with links resolved.

    Raises:
        UserError: no dataset or view is listed under that name, or it lies outside the folder of results.
    """
    parent = _named(_datasets(site), dataset, "dataset")
    folder = site.inside(_named(_folders(site.inside(parent) / VIEWS), view, "view"))
    if not folder.is_dir():
        raise UserError(f"{view}: is no folder")
    return folder


def how_far(site: Site, folder: Path) -> str | None:
    """Says how far a view is that has no manifest yet; None of one that has.

    Raises:
        UserError: the plan of its dataset is damaged, or lies outside the folder of results.
    """
    if (folder / SHARDS).exists():
        return None
    plan = folder.parents[1] / PLAN
    planned = f" of {len(read_plan(site.inside(plan))):,}" if plan.exists() else ""
    return (
        f"is still being made, or was broken off: {len(shards_in(folder)):,}{planned} shards are there, and its "
        "manifest is not. snakemake --cores all goes on with it"
    )


def _dataset(site: Site, folder: Path) -> dict[str, Any]:
    try:
        views = [_view(site, view) for view in _folders(site.inside(folder) / VIEWS)]
    except UserError as error:
        return {"name": folder.name, "views": [], "error": str(error)}
    return {"name": folder.name, "views": views}


def _view(site: Site, folder: Path) -> dict[str, Any]:
    try:
        inside = site.inside(folder)
        if unfinished := how_far(site, inside):
            return {"name": folder.name, "unfinished": unfinished}
        shards = read_shards(inside)
    except UserError as error:
        return {"name": folder.name, "error": str(error)}
    counts = {name: sum(shards[name].to_pylist()) for name in ("samples", "failures", "bytes")}
    return {"name": folder.name, **counts}


def _datasets(site: Site) -> list[Path]:
    return [folder for folder in _folders(site.results) if (folder / PLAN).exists() or (folder / VIEWS).is_dir()]


def _folders(parent: Path) -> list[Path]:
    try:
        found = sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{parent}: cannot be listed: {error.strerror}") from error
    return [path for path in found if path.name not in TAKEN][:MOST_LISTED]


def _named(folders: Iterable[Path], name: str, what: str) -> Path:
    found = next((folder for folder in folders if folder.name == name), None)
    if found is None:
        raise UserError(f"there is no {what} {name} (any more)")
    return found
