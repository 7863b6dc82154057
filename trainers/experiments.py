"""The experiments of config.yaml, resolved to what their jobs need: views, weights, options.

It knows no method and no evaluation by name: what there are, and what they need, is in `trainers.registry`. Nothing
here imports torch: Snakemake reads it in every job.
"""

import json
import os.path
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.config.load import Dataset
from pipeline.config.schema import as_key, check, closest
from pipeline.config.values import with_paths
from trainers.data.split import Split
from trainers.declarations import OWN, Evaluation, Method, entry_point
from trainers.engine.options import build, merged
from trainers.evaluations.options import evaluation_options
from trainers.planning import check_circles, check_crops, check_view, columns_below
from trainers.references import (
    FOLDER,
    MADE_HERE,
    SCRATCH,
    Given,
    Givens,
    GridPlace,
    start_of,
    starts_of,
    teacher_of,
    trained_for,
)
from trainers.registry import EVALUATIONS, METHODS
from trainers.schema import experiments_validator

NODES = 1
DEVICES = 1
WORKERS = 2


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of an experiment.

    Args:
        name: as its results are called; that of the evaluation where config.yaml gives no other.
        evaluation: what it is, of `EVALUATIONS`.
        options: of the evaluation, as JSON.
        starts: what it is measured from, by the name of its result: `model`, `encoder`, `scratch`, or a path.
        on: datasets.
        side: which of their videos: `all` or `held out`.
        view: the name of the view that it reads of them; None: it reads none.
    """

    name: str
    evaluation: str
    options: dict[str, Any]
    starts: dict[str, str]
    on: tuple[str, ...]
    side: str
    view: str | None

    @property
    def declared(self) -> Evaluation:
        """What the evaluation says of itself."""
        return EVALUATIONS[self.evaluation]

    @property
    def views(self) -> list[str]:
        """The folders of the views that it reads."""
        return _folders(self.on, self.view)


@dataclass(frozen=True)
class Experiment:
    """One training run and its evaluations. Folders are relative to where Snakemake runs.

    Args:
        where: the path of its key in config.yaml, for errors.
        train: datasets.
        validate: others, whole; without any, the videos of `train` that `split` holds out.
        split: which videos train, as JSON.
        options: of the method, as JSON.
        start: the file of the weights that it starts from; None: random ones.
        teacher: the file of its teacher's network; None: it has none.
        devices: of each node.
        evaluations: by name.
        place: in a grid; None: it is in none.
    """

    name: str
    where: str
    method: str
    train: tuple[str, ...]
    validate: tuple[str, ...]
    split: dict[str, Any]
    options: dict[str, Any]
    start: str | None
    teacher: str | None
    nodes: int
    devices: int
    workers: int
    evaluations: dict[str, Evaluated]
    place: GridPlace | None

    @property
    def declared(self) -> Method:
        """What the method says of itself."""
        return METHODS[self.method]

    @property
    def folder(self) -> str:
        """Where its results are."""
        return f"{FOLDER}/{self.name}"

    @property
    def view(self) -> str:
        """The name of the view that it trains on."""
        return self.declared.view_for(build(self.declared.options, self.options))

    @property
    def views(self) -> list[str]:
        """The folders of the views that it trains on."""
        return _folders(self.train, self.view)

    @property
    def validation_views(self) -> list[str]:
        """The folders of the views that it is measured on while it trains; none where that is a side of `views`."""
        return _folders(self.validate, self.view)

    @property
    def encoder(self) -> str | None:
        """The name of the image encoder in its network; None where it has none."""
        return self.declared.encoder_for(build(self.declared.options, self.options))

    def weights(self, evaluation: str, start: str) -> str | None:
        """Returns the file that an evaluation starts from; None for random weights."""
        given = self.evaluations[evaluation].starts[start]
        made = {"model": self._file("model"), "encoder": self._file("encoder"), SCRATCH: None}
        return made.get(given, given)

    def result(self, evaluation: str, start: str) -> str:
        """Returns the file of what an evaluation measured."""
        return f"{self.folder}/evaluations/{evaluation}/{start}.json"

    def shaping(self, evaluation: str, start: str) -> dict[str, Any]:
        """Returns what of the method's options shapes an evaluation beside the weights' file.

        Of an encoder that is its name. Random weights depend on the seed, too, and on nothing else of the training.
        """
        random = {"seed": self.options["training"]["seed"], "version": self.declared.version}
        seed = random if start == SCRATCH else {}
        one = self.evaluations[evaluation]
        if one.declared.needs_for(build(one.declared.options, one.options)) == "encoder":
            return {"encoder": self.encoder} | seed
        return {name: value for name, value in self.options.items() if name != "training"} | seed

    def _file(self, what: str) -> str:
        return f"{self.folder}/{what}.safetensors"


def _folders(datasets: Sequence[str], view: str | None) -> list[str]:
    return [f"results/{dataset}/shards/{view}" for dataset in datasets]


def load(
    config: Mapping[str, Any], datasets: Mapping[str, Dataset], file: str = "config.yaml"
) -> dict[str, Experiment]:
    """Resolves the experiments of a configuration whose datasets `pipeline.config.load.load` has accepted, by name.

    An experiment with a grid stands for the grid's variants, `NAME-AXIS-VARIANT`, in the order of the file.

    Raises:
        UserError: the first thing that is wrong, by its path in `file`, and what would be right.
    """
    config = {**config, "experiments": _spelt(config.get("experiments", {}))}
    _check_evaluations(config, file)
    config = with_paths(check({"experiments": config["experiments"]}, experiments_validator(), file))
    given = {one.name: one for one in _given(config["experiments"], file)}
    networks = trained_for(datasets, given)
    experiments = {name: _experiment(one, given, datasets) for name, one in given.items()}
    check_circles(_waits(experiments, networks), file)
    return experiments


def check_data(experiment: Experiment) -> None:
    """Raises `UserError` where what an evaluation reads of the user's will not do, before hours of training."""
    for name, one in experiment.evaluations.items():
        if one.declared.check:
            try:
                entry_point(one.declared.check)(build(one.declared.options, one.options))
            except UserError as error:
                raise UserError(f"{experiment.where}.evaluate.{name}.{error}") from error


def grids(experiments: Mapping[str, Experiment]) -> dict[str, list[str]]:
    """Returns the names of each grid's experiments, in the order of its axes and variants."""
    members: dict[str, list[str]] = {}
    for name, experiment in experiments.items():
        if experiment.place:
            members.setdefault(experiment.place.grid, []).append(name)
    return members


def _spelt(values: Any, key: Any = None, above: Any = None) -> Any:
    """The key `on` of `validation` and of evaluations, which YAML 1.1 reads as true unless it is in quotes."""
    if not isinstance(values, Mapping):
        return values
    has_on = key == "validation" or above == "evaluate"
    return {"on" if has_on and name is True else name: _spelt(one, name, key) for name, one in values.items()}


def _check_evaluations(config: Mapping[str, Any], file: str) -> None:
    """An unknown evaluation is named before the schema takes it for one that lacks a key."""
    for where, values in _mappings(config.get("experiments"), f"{file}: experiments"):
        for name, one in _items(values.get("evaluate")):
            kind = one.get("evaluation", name) if isinstance(one, Mapping) else name
            if kind not in EVALUATIONS:
                right = closest(str(kind), [*EVALUATIONS])
                raise UserError(
                    f"{where}.evaluate.{as_key(name)}: there is no evaluation {quoted(kind)}: {right}; another "
                    "name says which by the key evaluation"
                )


def _mappings(experiments: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The experiments and their variants, whatever their form, with their paths."""
    for name, values in _items(experiments):
        if isinstance(values, Mapping):
            yield f"{where}.{as_key(name)}", values
            for axis, variants in _items(values.get("grid")):
                for variant, over in _items(variants):
                    if isinstance(over, Mapping):
                        yield f"{where}.{as_key(name)}.grid.{as_key(axis)}.{as_key(variant)}", over


def _items(values: Any) -> Iterator[tuple[Any, Any]]:
    yield from values.items() if isinstance(values, Mapping) else ()


def _given(experiments: Mapping[str, Any], file: str) -> Iterator[Given]:
    """The experiments, each variant of a grid by itself."""
    for name, values in experiments.items():
        where = f"{file}: experiments.{name}"
        if "grid" not in values:
            yield Given(name, where, _over_recipe(values))
            continue
        grid = values["grid"]
        for axis, variants in (METHODS[values["method"]].grids[grid] if isinstance(grid, str) else grid).items():
            for variant, over in variants.items():
                place = GridPlace(name, axis, variant)
                at = f"{where}.grid.{axis}.{variant}"
                yield Given(f"{name}-{axis}-{variant}", at, _over_recipe(_varied(values, over)), place)


def _varied(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment with a variant's keys in their place; `validation` as a whole, which is one thing or the other."""
    base = {key: value for key, value in values.items() if key != "validation" or key not in over}
    return merged(base, over)


def _over_recipe(values: Mapping[str, Any]) -> dict[str, Any]:
    recipe = METHODS[values["method"]].recipes[values["recipe"]] if "recipe" in values else {}
    return merged(recipe, values)


def _experiment(one: Given, given: Givens, datasets: Mapping[str, Dataset]) -> Experiment:
    values, where, method = one.values, one.where, one.method
    check_view(values["train"], datasets, method.view_for(one.options), f"{where}.train")
    try:
        method.check_teacher(one.options, "teacher" in values)
    except ValueError as error:
        raise UserError(f"{where}.teacher: {error}") from error
    _check_sources(one, datasets)
    split, validate = _validation(one, datasets)
    _check_best(one)
    devices, nodes = values.get("devices", DEVICES), values.get("nodes", NODES)
    _check_devices(one.options, devices * nodes, where)
    check_crops(one.options, where, [datasets[name] for name in values["train"]])
    return Experiment(
        name=one.name,
        where=where,
        method=method.name,
        train=tuple(values["train"]),
        validate=validate,
        split=asdict(split),
        options=_json(one.options),
        start=start_of(one, given) if "start" in values else None,
        teacher=teacher_of(one, given) if "teacher" in values else None,
        nodes=nodes,
        devices=devices,
        workers=values.get("workers", WORKERS),
        evaluations={
            name: _evaluated(name, entry, one, given, datasets, split, validate)
            for name, entry in values.get("evaluate", _own_evaluations(one)).items()
        },
        place=one.place,
    )


def _own_evaluations(one: Given) -> dict[str, dict[str, Any]]:
    """The evaluations where config.yaml does not say which: they read nothing but what the experiment trains on."""
    there = (None, OWN, one.method.view_for(one.options))
    return {name: {} for name in one.method.evaluations if EVALUATIONS[name].view in there}


def _check_sources(one: Given, datasets: Mapping[str, Dataset]) -> None:
    """Raises `UserError` where the source of a dataset cannot teach what the method's options ask for."""
    trainable = one.method.trainable
    if trainable is None:
        return
    for name in one.values["train"]:
        try:
            trainable(one.options, datasets[name].source_options)
        except ValueError as error:
            raise UserError(f"{one.where}.{error} (datasets.{name})") from error


def _check_devices(options: Any, devices: int, where: str) -> None:
    """Raises `UserError` where so many devices cannot share the steps of a training."""
    try:
        options.training.check_devices(devices)
    except ValueError as error:
        raise UserError(f"{where}.training.{error}") from error


def _check_best(one: Given) -> None:
    """Raises `UserError` where the best weights are to be kept, and nothing says which those are."""
    if one.options.training.keep == "best" and not one.method.best_by:
        able = " and ".join(method.name for method in METHODS.values() if method.best_by)
        raise UserError(
            f"{one.where}.training.keep is best, which {able} know of their weights, and {one.method.name} does not: "
            "use last"
        )


def _validation(one: Given, datasets: Mapping[str, Dataset]) -> tuple[Split, tuple[str, ...]]:
    """Which videos train, and which other datasets validate."""
    validation, where = one.values.get("validation", {}), f"{one.where}.validation"
    others = validation.get("on", ())
    check_view(others, datasets, one.method.view_for(one.options), f"{where}.on")
    for number, name in enumerate(others):
        if name in one.values["train"]:
            raise UserError(
                f"{where}.on[{number}]: {name!r} is trained on: leave it out here, or have some of its videos held out "
                "by validation: {share: 0.1}"
            )
    if not validation:
        raise UserError(
            f"{one.where}: nothing is left to measure it on: hold out a share of the videos, such as "
            "validation: {share: 0.1}, or name other datasets, validation: {on: [...]}"
        )
    return Split(validation.get("share", 0.0), one.values.get("train_share", 1.0)), tuple(others)


def _evaluated(
    name: str,
    values: Mapping[str, Any],
    one: Given,
    given: Givens,
    datasets: Mapping[str, Dataset],
    split: Split,
    validate: tuple[str, ...],
) -> Evaluated:
    where = f"{one.where}.evaluate.{name}"
    evaluation = EVALUATIONS[values.get("evaluation", name)]
    if evaluation.methods and one.method.name not in evaluation.methods:
        raise UserError(
            f"{where}: {evaluation.name} is of {' and '.join(evaluation.methods)}, and this experiment of "
            f"{one.method.name}: leave it out"
        )
    try:
        options = evaluation_options(
            evaluation,
            one.encoder,
            {key: value for key, value in values.items() if key not in ("evaluation", "on", "start")},
        )
    except ValueError as error:
        raise UserError(f"{where}.{error}") from error
    _check_needs(evaluation, options, one, where)
    if evaluation.trains:
        _check_devices(options, one.values.get("devices", DEVICES), where)  # on one node, however many train
    if hasattr(options, "training") and options.training.keep != "last":
        raise UserError(f"{where}.training.keep: an evaluation measures the last weights: leave it out")
    # A grid compares what was trained: from scratch, all of its experiments would be the same.
    default = evaluation.starts_for(options)[: 1 if one.place else None]
    starts = starts_of(values.get("start", default), evaluation.trained(options), given, f"{where}.start")
    view = one.method.view_for(one.options) if evaluation.view == OWN else evaluation.view
    learns_from = evaluation.learns_from(options) if evaluation.learns_from else ()
    on, side = _measured_on(values.get("on"), view, one, datasets, split, validate, where, learns_from)
    for key, path in (evaluation.paths(options) if evaluation.paths else {}).items():
        if not os.path.exists(path):
            raise UserError(f"{where}.{key}: there is no file or folder {path!r}")
    check_crops(options, where)
    return Evaluated(name, evaluation.name, _json(options), starts, on, side, view)


def _check_needs(evaluation: Evaluation, options: Any, one: Given, where: str) -> None:
    """Raises `UserError` where an evaluation with these options needs what the experiment's network does not have."""
    needs, encoder, embeds = evaluation.needs_for(options), one.encoder is not None, one.method.embeds
    lacking = {
        "encoder": None if encoder else "an image encoder",
        "features": None if encoder or embeds else "features of images",
    }
    if lacks := lacking.get(needs):
        raise UserError(f"{where}: {evaluation.name} needs {lacks}, and {one.method.name} has none: leave it out")


def _measured_on(
    on: Sequence[str] | None,
    view: str | None,
    one: Given,
    datasets: Mapping[str, Dataset],
    split: Split,
    validate: tuple[str, ...],
    where: str,
    learns_from: tuple[str, ...],
) -> tuple[tuple[str, ...], str]:
    """The datasets that an evaluation reads, and on which of their videos it is measured.

    Args:
        learns_from: those of them that it does not measure.
    """
    if view is None:
        return (), "all"
    trained = one.values["train"]
    names = tuple(on) if on is not None else validate or tuple(trained)
    check_view(names, datasets, view, f"{where}.on")
    measured = [name for name in names if name not in learns_from]
    if not set(measured) & set(trained):
        return names, "all"
    if not split.validation_share or set(measured) - set(trained):
        number, name = next((number, name) for number, name in enumerate(names) if name in trained and name in measured)
        advice = (
            "give the others an evaluation of their own"
            if split.validation_share
            else "leave it out here, or hold some of its videos out by validation: {share: 0.1}"
        )
        raise UserError(f"{where}.on[{number}]: {name!r} is trained on: {advice}")
    return names, "held out"


def _waits(experiments: Mapping[str, Experiment], networks: Mapping[str, str]) -> dict[str, list[str]]:
    """What each training, and each column that one of their networks makes, waits for."""
    waits = {column: [f"experiments.{of}"] for column, of in networks.items()}
    for name, one in experiments.items():
        files = [made[1] for path in (one.start, one.teacher) if path and (made := MADE_HERE.fullmatch(path))]
        columns = [
            f"datasets.{dataset}.{column}"
            for dataset in (*one.train, *one.validate)
            for column in columns_below(one.view)
        ]
        waits[f"experiments.{name}"] = [f"experiments.{other}" for other in files] + [
            column for column in columns if column in networks
        ]
    return waits


def _json(options: Any) -> dict[str, Any]:
    """Options as they come back from JSON: lists, not tuples."""
    return json.loads(json.dumps(asdict(options)))
