"""The record of weights that ship: what each training that led to them was, on whose data, and how good it became."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common_fate.datasets.catalog import read_catalog
from common_fate.errors import UserError
from common_fate.foreign.files import parse_json, read_file
from common_fate.shards.record import file_sha256
from pipeline.sources.synthetic import SOURCE
from trainers.evaluations.result import read_result

_MAX_FACTS = 2**22  # bytes of a train.json
_TRAINED = ("method", "samples", "videos", "iterations", "batch_size", "device", "seconds", "start", "options")


def history_of(experiments: Sequence[Path], to: Path) -> list[dict[str, Any]]:
    """Returns what each training was, after those of the weights that the first one started from.

    Args:
        experiments: folders in the order in which each started from the one before.
        to: the weights that ship now, from which the first may have started; their record is the `.json` beside.

    Raises:
        UserError: a file is missing or damaged, or an experiment started from something else.
    """
    trained = [_trained(folder) for folder in experiments]
    weights = [file_sha256(folder / "model.safetensors") for folder in experiments]
    before: list[dict[str, Any]] = []
    if (first := trained[0]["start"]) is not None and to.is_file() and first == file_sha256(to):
        before = parse_json(read_file(to.with_suffix(".json"), _MAX_FACTS))["trained"]
    elif first is not None:
        raise UserError(f"{experiments[0]}: started from weights that are not {to}: name what they come from, too")
    for earlier, folder, later in zip(weights, experiments[1:], trained[1:], strict=False):
        if later["start"] != earlier:
            raise UserError(f"{folder}: did not start from the experiment that is named before it")
    return before + trained


def quality_of(experiment: Path, evaluation: str) -> dict[str, Any]:
    """Returns the rows of an evaluation of the experiment's own model, and what else it says of itself.

    Raises:
        UserError: there is no such evaluation (yet).
    """
    measured = read_result(experiment / "evaluations" / evaluation / "model.json")
    return {
        "videos": measured.side,
        "rows": [asdict(row) for row in measured.result.rows],
        "about": dict(measured.result.about),
    }


def _trained(experiment: Path) -> dict[str, Any]:
    """What one training was: its options, its data, how long it took."""
    path = experiment / "train.json"
    try:
        facts = parse_json(read_file(path, _MAX_FACTS))
        views = [Path(view) for view in facts["datasets"]]
        return {"experiment": experiment.name, "data": list(map(_data, views)), **{key: facts[key] for key in _TRAINED}}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: not what a training writes: {type(error).__name__} {error}") from error


def _data(view: Path) -> dict[str, Any]:
    """A dataset by its name, and what its catalog says: kinds, licences, and of rendered videos how they were made."""
    dataset = view.parents[1]
    catalog = dataset / "catalog.parquet"
    if not catalog.is_file():
        raise UserError(f"{catalog}: is missing: weights ship with a record of whose videos trained them")
    videos = read_catalog(catalog)
    rendered = sorted({video.uri.partition("&")[2] for video in videos if video.kind == SOURCE.name})
    licences = Counter(video.license or "not known" for video in videos)
    return {
        "dataset": dataset.name,
        "videos": len(videos),
        "kinds": sorted({video.kind for video in videos}),
        "licences": dict(sorted(licences.items())),
        **({"rendered": rendered} if rendered else {}),
    }
