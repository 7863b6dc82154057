"""The experiments of config.yaml, resolved to the views they read and the options of their method.

Nothing here imports torch: Snakemake reads it in every job.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from common_fate.errors import UserError
from pipeline.config.load import Dataset
from trainers.engine.options import build, merged
from trainers.evaluations.segmentation.options import segmentation_options
from trainers.methods.cmp.options import VERSION, CMPOptions
from trainers.methods.cmp.recipes import GRIDS, RECIPES

FOLDER = "results/experiments"
NODES = 1
DEVICES = 1
WORKERS = 2
STARTS = ("encoder", "scratch")
FOLDERS = ("path", "sbd", "images", "masks", "validation_images", "validation_masks")  # of segmentation's data


@dataclass(frozen=True)
class Method:
    """What trains: its options, the view that it reads, and its presets."""

    options: type[Any]
    version: int
    view: str
    recipes: Mapping[str, Mapping[str, Any]]
    grids: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]


METHODS = {"cmp": Method(CMPOptions, VERSION, "cmp", RECIPES, GRIDS)}


@dataclass(frozen=True)
class Segmentation:
    """Fine-tuning for semantic segmentation: where it starts from, by the name of its results, and its options as JSON.

    A start is `encoder` (what the experiment trained), `scratch`, or the path of a checkpoint.
    """

    encoder: str
    starts: dict[str, str]
    options: dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """An experiment's place in a grid."""

    grid: str
    axis: str
    variant: str


@dataclass(frozen=True)
class Experiment:
    """One training run and its evaluations. Folders are relative to where Snakemake runs."""

    name: str
    method: str
    train: tuple[str, ...]  # datasets
    validate: tuple[str, ...]  # others, whole; without any, the held-out videos of `train`
    options: dict[str, Any]  # of the method, as JSON
    nodes: int
    devices: int  # of each node
    workers: int
    segmentation: Segmentation | None
    place: Variant | None  # in a grid

    @property
    def folder(self) -> str:
        """Where its results are."""
        return f"{FOLDER}/{self.name}"

    @property
    def views(self) -> list[str]:
        """The folders of the views that it trains on."""
        return self._folders(self.train)

    @property
    def validation_views(self) -> list[str]:
        """The folders of the views that it is measured on while it trains; none where that is a side of `views`."""
        return self._folders(self.validate)

    @property
    def evaluated(self) -> tuple[str, ...]:
        """The datasets that it is evaluated on."""
        return self.validate or self.train

    @property
    def evaluated_views(self) -> list[str]:
        """Their folders."""
        return self._folders(self.evaluated)

    @property
    def side(self) -> str:
        """Which of their videos: `all` or `held out`."""
        return "all" if self.validate else "held out"

    def _folders(self, datasets: tuple[str, ...]) -> list[str]:
        return [f"results/{dataset}/shards/{METHODS[self.method].view}" for dataset in datasets]


def load(
    config: Mapping[str, Any], datasets: Mapping[str, Dataset], file: str = "config.yaml"
) -> dict[str, Experiment]:
    """Resolves the experiments of a configuration that `pipeline.config.load.load` has accepted, by name.

    An experiment with a grid stands for the grid's variants, `NAME-AXIS-VARIANT`, in the order of the file.

    Raises:
        UserError: the first thing that is wrong, by its path in `file`, and what would be right.
    """
    found: dict[str, Experiment] = {}
    for name, values in config.get("experiments", {}).items():
        where = f"{file}: experiments.{name}"
        method = METHODS[values["method"]]
        given = merged(method.recipes[values["recipe"]], values) if "recipe" in values else dict(values)
        one = _experiment(str(name), given, datasets, where)
        if "grid" not in values:
            found[one.name] = one
            continue
        grid = values["grid"]
        for axis, variants in (method.grids[grid] if isinstance(grid, str) else grid).items():
            for variant, over in variants.items():
                full, at = f"{name}-{axis}-{variant}", f"{where}.grid.{axis}.{variant}"
                place = Variant(one.name, str(axis), str(variant))
                found[full] = _experiment(full, merged(given, over), datasets, at, place)
    return found


def grids(experiments: Mapping[str, Experiment]) -> dict[str, list[str]]:
    """The names of each grid's experiments, in the order of its axes and variants."""
    members: dict[str, list[str]] = {}
    for name, experiment in experiments.items():
        if experiment.place:
            members.setdefault(experiment.place.grid, []).append(name)
    return members


def _experiment(
    name: str, values: Mapping[str, Any], datasets: Mapping[str, Dataset], where: str, place: Variant | None = None
) -> Experiment:
    method = METHODS[values["method"]]
    _check_datasets(values, datasets, method.view, where)
    sections = {key: values[key] for key in method.options.__dataclass_fields__ if key in values}
    try:
        options = build(method.options, sections)
    except ValueError as error:
        raise UserError(f"{where}.{error}") from error
    if not values.get("validate") and not options.data.hold_out:
        raise UserError(
            f"{where}: nothing is left to measure it on: hold out a share of the videos, such as "
            "data: {hold_out: 0.1}, or name other datasets in validate"
        )
    segmentation = values.get("segmentation")
    if segmentation and place:
        # The one that a grid compares: from scratch, all of them would be the same.
        segmentation = {"start": STARTS[:1], **segmentation}
    return Experiment(
        name=name,
        method=values["method"],
        train=tuple(values["train"]),
        validate=tuple(values.get("validate", [])),
        options=_json(options),
        nodes=values.get("nodes", NODES),
        devices=values.get("devices", DEVICES),
        workers=values.get("workers", WORKERS),
        segmentation=_segmentation(segmentation, options.model.encoder, f"{where}.segmentation")
        if segmentation
        else None,
        place=place,
    )


def _check_datasets(values: Mapping[str, Any], datasets: Mapping[str, Dataset], view: str, where: str) -> None:
    for key in ("train", "validate"):
        for number, name in enumerate(values.get(key, [])):
            _check_dataset(name, datasets, view, f"{where}.{key}[{number}]")
    for number, name in enumerate(values.get("validate", [])):
        if name in values["train"]:
            raise UserError(
                f"{where}.validate[{number}]: {name!r} is trained on: leave it out here, and have some of its videos "
                "held out by data.hold_out"
            )


def _check_dataset(name: str, datasets: Mapping[str, Dataset], view: str, where: str) -> None:
    if name not in datasets:
        raise UserError(f"{where}: there is no dataset {name!r}: should be one of {', '.join(map(str, datasets))}")
    if view not in datasets[name].views:
        able = [str(other) for other, dataset in datasets.items() if view in dataset.views]
        add = f"adopt one that has {view}" if datasets[name].adopted else f"add {view} to datasets.{name}.views"
        advice = f"should be one of {', '.join(able)}" if able else add
        raise UserError(f"{where}: dataset {name!r} has no view {view}: {advice}")


def _segmentation(values: Mapping[str, Any], encoder: str, where: str) -> Segmentation:
    starts: dict[str, str] = {}
    for number, start in enumerate(values.get("start", STARTS)):
        at = f"{where}.start[{number}]"
        name = start if start in STARTS else _name(PurePath(start))
        made_here = start in STARTS or start.startswith(f"{FOLDER}/")
        if not made_here and not Path(start).is_file():
            raise UserError(f"{at}: there is no file {start!r}: should be encoder, scratch, or a checkpoint's path")
        if name in starts or (start not in STARTS and name in STARTS):
            raise UserError(f"{at}: {start!r} would be called {name!r}, as another start is: rename the file")
        starts[name] = start
    try:
        options = segmentation_options(encoder, {key: value for key, value in values.items() if key != "start"})
    except ValueError as error:
        raise UserError(f"{where}.{error}") from error
    for key in FOLDERS:
        folder = getattr(options.data, key)
        if folder and not Path(folder).is_dir():
            raise UserError(f"{where}.data.{key}: there is no folder {folder!r}")
    return Segmentation(encoder, starts, _json(options))


def _name(checkpoint: PurePath) -> str:
    """A checkpoint by its file's name; another experiment's encoder by that experiment's."""
    named = checkpoint.parent.name if checkpoint.name == "encoder.safetensors" else checkpoint.stem
    return re.sub("[^A-Za-z0-9_-]", "_", named)


def _json(options: Any) -> dict[str, Any]:
    """Options as they come back from JSON: lists, not tuples."""
    return json.loads(json.dumps(asdict(options)))
