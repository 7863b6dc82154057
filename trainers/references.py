"""What experiments refer to: each other, by name or by the path of a file, and files of the user's.

Nothing here imports torch: Snakemake reads it in every job.
"""

import os.path
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.columns.flow.estimator_families import SHIPPED
from pipeline.config.load import Dataset
from pipeline.config.schema import closest
from trainers.declarations import Method
from trainers.engine.options import build
from trainers.models.shipped import NAME, shipped_model
from trainers.models.weights_file import is_flow_network, read_about
from trainers.registry import METHODS

FOLDER = "results/experiments"
SCRATCH = "scratch"
NETWORK = "network"
"""The flow network whose weights come with the project, as the estimator is called that has them."""
MADE_HERE = re.compile(rf"{FOLDER}/([^/]+)/(?:model|encoder)\.safetensors")
"""The file of an experiment's weights, and its name."""
_CHECKPOINTS = (".safetensors", ".pth", ".pt", ".ckpt", ".tar")


@dataclass(frozen=True)
class GridPlace:
    """An experiment's place in a grid."""

    grid: str
    axis: str
    variant: str


@dataclass(frozen=True)
class Given:
    """An experiment as config.yaml has it, over its recipe; the others may refer to it."""

    name: str
    where: str
    values: Mapping[str, Any]
    place: GridPlace | None = None

    @property
    def method(self) -> Method:
        return METHODS[self.values["method"]]

    @cached_property
    def options(self) -> Any:
        """The method's own dataclass."""
        sections = {one.name: self.values[one.name] for one in fields(self.method.options) if one.name in self.values}
        try:
            return build(self.method.options, sections)
        except ValueError as error:
            raise UserError(f"{self.where}.{error}{self._of_recipe(str(error))}") from error

    def _of_recipe(self, refused: str) -> str:
        """What to add to a refusal, which starts with the option's path, where the recipe has it and not the config."""
        name = self.values.get("recipe", "")
        recipe: Any = self.method.recipes.get(name, {})
        values: Any = self.values
        for key in refused.partition(" ")[0].split("."):
            if not isinstance(recipe, Mapping) or key not in recipe:
                return ""
            recipe, values = recipe[key], values[key]
        return f"; it is of the recipe {name}: write another one over it" if recipe == values else ""

    @property
    def encoder(self) -> str | None:
        return self.method.encoder_for(self.options)


Givens = Mapping[str, Given]


def start_of(one: Given, given: Givens) -> str:
    """Returns the file that an experiment's weights start from: of the same method the network, else the encoder.

    Raises:
        UserError: there is no such experiment or file, or it does not fit.
    """
    start, where = one.values["start"], f"{one.where}.start"
    if start == NETWORK and start not in given:
        if not SHIPPED.is_file():
            raise UserError(
                f"{where}: 'network' means the weights that come with this project, and none are in this copy"
            )
        start = str(SHIPPED)
    if start == NAME and start not in given:
        try:
            start = str(shipped_model(one.method.name))
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
    other = experiment_called(start, given, where)
    if other is None:
        about = _about(start)
        if about.get("method") != one.method.name and not is_flow_network(about, one.method, one.options):
            # What is from elsewhere says nothing; it is looked at when it is read.
            _check_encoders(one, f"{start!r}", about.get("encoder") if about else one.encoder, where)
        elif one.method.flow_network:
            _check_networks(one, f"{start!r}", about.get("flow_network"), where)
        return start
    whole = other.method is one.method and PurePath(start).name != "encoder.safetensors"
    if not whole or one.encoder is not None:
        _check_encoders(one, f"{other.name!r}, of the method {other.method.name},", other.encoder, where)
    if whole and other.method.flow_network:
        _check_networks(one, f"{other.name!r}", other.method.flow_network(other.options), where)
    return f"{FOLDER}/{other.name}/{'model' if whole else 'encoder'}.safetensors"


def _check_encoders(one: Given, other: str, encoder: str | None, where: str) -> None:
    if one.encoder is None:
        right = f"should be an experiment of {one.method.name}"
        raise UserError(
            f"{where}: {other} has no more for it than an encoder, and this experiment of {one.method.name} "
            f"has none: {right}"
        )
    if one.encoder != encoder:
        has = f"has the encoder {encoder}" if encoder else "has no image encoder"
        raise UserError(f"{where}: {other} {has}, and this experiment's is {one.encoder}: both should have the same")


def _check_networks(one: Given, other: str, network: Any, where: str) -> None:
    """Raises `UserError` where an experiment would start from the weights of another flow network than its own."""
    assert one.method.flow_network is not None
    own = one.method.flow_network(one.options)
    if network != own:
        raise UserError(f"{where}: {other} {_difference(network, own)}: both should have the same")


def _difference(network: Any, own: Mapping[str, Any]) -> str:
    """What another flow network has, and what an experiment's own has instead."""
    whole = f"this experiment's network is {own['name']} of {own['frames']} frames"
    if not isinstance(network, Mapping):
        return f"says of no flow network, and {whole}"
    name, frames, theirs = (network.get(key) for key in ("name", "frames", "options"))
    if (name, frames) != (own["name"], own["frames"]) or not isinstance(theirs, Mapping):
        return f"has the network {quoted(name)} of {quoted(frames)} frames, and {whole}"
    ours = own.get("options", {})
    key = next((key for key in {**ours, **theirs} if theirs.get(key) != ours.get(key)), None)
    if key is None:
        return f"has the network under another prefix, and {whole}"
    return f"has a network of {key} {quoted(theirs.get(key))}, and this experiment's has {quoted(ours.get(key))}"


def teacher_of(one: Given, given: Givens) -> str:
    """Returns the file of a teacher's network.

    Raises:
        UserError: there is no such experiment or file, or it is of a method that cannot teach this one.
    """
    teacher, where = one.values["teacher"], f"{one.where}.teacher"
    other = experiment_called(teacher, given, where)
    method = _about(teacher).get("method") if other is None else other.method.name
    if method not in one.method.teachers:
        of = f"is of the method {method}" if method else "is no model.safetensors of an experiment"
        raise UserError(f"{where}: {teacher!r} {of}: should be of {' or '.join(one.method.teachers)}")
    if method == one.method.name and one.method.teachable:
        try:
            theirs = other.options if other else build(one.method.options, _about(teacher).get("options"))
            one.method.teachable(one.options, theirs)
        except ValueError as error:
            raise UserError(f"{where}: {teacher!r}: {error}") from error
    return f"{FOLDER}/{other.name}/model.safetensors" if other else teacher


def _about(path: str) -> dict[str, Any]:
    """What a file of weights says about itself; nothing where it is from elsewhere."""
    try:
        return read_about(Path(path))
    except UserError:
        return {}


def experiment_called(name: str, given: Givens, where: str) -> Given | None:
    """Returns the experiment that a name, or the path of its files, means; None for a file of the user's.

    Raises:
        UserError: there is no such experiment, or no such file.
    """
    elsewhere = ""
    if made := MADE_HERE.fullmatch(name):
        elsewhere = ", or a copy of the file that lies elsewhere" if os.path.isfile(name) else ""
        name = made[1]
    elif "/" in name or name.endswith(_CHECKPOINTS):
        if not os.path.isfile(name):  # a name too long for a file is none
            raise UserError(f"{where}: there is no file {name!r}: should be an experiment, or a checkpoint's path")
        return None
    if name not in given:
        if variants := [one.name for one in given.values() if one.place and one.place.grid == name]:
            raise UserError(f"{where}: {name!r} is a grid: should be one of {', '.join(variants)}")
        right = f"{closest(name, [*given])}, or a checkpoint's path" if given else "there are no experiments here"
        raise UserError(f"{where}: there is no experiment {quoted(name)}: {right}{elsewhere}")
    return given[name]


def starts_of(given_starts: Sequence[str], trained: str, given: Givens, where: str) -> dict[str, str]:
    """Returns what an evaluation is measured from, by name.

    Args:
        trained: what a start at the experiment's own weights is called, see `Evaluation.trained`.

    Raises:
        UserError: a checkpoint is not there, or two have the same name.
    """
    words = (trained, SCRATCH)
    starts: dict[str, str] = {}
    for number, start in enumerate(given_starts):
        at = f"{where}[{number}]"
        if start in words:
            starts[start] = start
            continue
        if MADE_HERE.fullmatch(start):
            experiment_called(start, given, at)
        elif not os.path.isfile(start):
            raise UserError(f"{at}: there is no file {start!r}: should be {trained}, {SCRATCH}, or a checkpoint's path")
        name = _called(PurePath(start))
        if name in starts or name in words:
            raise UserError(f"{at}: {start!r} would be called {name!r}, as another start is: rename the file")
        starts[name] = start
    return starts


def _called(checkpoint: PurePath) -> str:
    """A checkpoint by its file's name; another experiment's by that experiment's."""
    made_here = checkpoint.name in ("encoder.safetensors", "model.safetensors")
    return re.sub("[^A-Za-z0-9_-]", "_", checkpoint.parent.name if made_here else checkpoint.stem)


def trained_for(datasets: Mapping[str, Dataset], given: Givens) -> dict[str, str]:
    """Returns the experiments whose networks make columns of datasets, by the path of the column's key.

    Raises:
        UserError: there is no such experiment, or its network cannot make that column.
    """
    found = {}
    for name, dataset in datasets.items():
        for stage in () if dataset.adopted else dataset.stages:
            where = f"{dataset.where.removesuffix('.source')}.{stage}"
            for path in dataset.weights(stage):
                if MADE_HERE.fullmatch(str(path)) and (other := experiment_called(str(path), given, where)):
                    _check_flow(other, dataset, where)
                    found[f"datasets.{name}.{stage}"] = other.name
    return found


def _check_flow(one: Given, dataset: Dataset, where: str) -> None:
    """Raises `UserError` where an experiment's network cannot estimate a dataset's flow."""
    if one.method.flow_network is None:
        able = [method.name for method in METHODS.values() if method.flow_network]
        advice = f"should be of {' or '.join(able)}" if able else "no method here does"
        raise UserError(f"{where}: {one.name!r} is of {one.method.name}, which trains no flow network: {advice}")
    if one.method.flow_network(one.options)["frames"] == 2:
        return
    if dataset.stages["flow"].backward:
        raise UserError(f"{where}: {one.name!r} reads three frames and cannot look back: leave backward out")
    if not dataset.stages["frames"].triplets:
        triplets = f"{where.rpartition('.')[0]}.frames.triplets"
        raise UserError(f"{where}: {one.name!r} reads the frame before each, too: set {triplets}: true")
