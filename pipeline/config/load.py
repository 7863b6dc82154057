"""config.yaml: validated against its schema, resolved to the options of sources and stages.

Every refusal names the key by its path and says what would be right.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from common_fate.datasets.adopted import ADOPTED
from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from common_fate.manifest.samples import SAMPLES
from pipeline.columns.frames.filters import FILTERS
from pipeline.downloads.policy import Downloading
from pipeline.registry import STAGES, VIEWS
from pipeline.sources import SOURCES
from pipeline.sources.source import Source
from pipeline.stages.stage import resolved
from pipeline.views import View

SCHEMA = Path(__file__).resolve().parents[2] / "workflow" / "schemas" / "config.schema.yaml"
VIDEOS_PER_SHARD = 64
MIN_SUCCESS = 0.9
MIN_MOTION = 0.1  # pixels, of videos from the web


@dataclass(frozen=True)
class Dataset:
    """One dataset of config.yaml: its source, the options of every stage, and what is to be built.

    Of an adopted dataset, `views` and `columns` are those that are there. `downloading` is how videos on the web are
    fetched; None where the source's are here.
    """

    name: str
    where: str
    source: Source
    source_options: Any
    stages: dict[str, Any]
    views: tuple[str, ...]
    columns: tuple[str, ...]
    videos_per_shard: int
    min_success: float
    downloading: Downloading | None = None

    @property
    def adopted(self) -> bool:
        """Whether its shards were made elsewhere, so that nothing of it is built."""
        return self.source is SOURCES["adopted"]

    def options(self, stage: str) -> dict[str, Any]:
        """A stage's resolved options, as JSON."""
        return resolved(self.stages[stage])

    def videos(self) -> list[Video]:
        """Lists the source. Raises `UserError` where it cannot be listed."""
        return self.source.videos(self.source_options, self.where)


def load(config: Mapping[str, Any], file: str = "config.yaml", results: Path = Path("results")) -> dict[str, Dataset]:
    """Validates a configuration and resolves its datasets; the adopted ones have to be in `results`.

    Raises:
        UserError: the first thing that is wrong, by its path in `file`, and what would be right.
    """
    if errors := sorted(_validator().iter_errors(config), key=lambda error: list(map(str, error.absolute_path))):
        raise UserError(_explain(errors[0], file))
    return {
        name: _dataset(name, values, f"{file}: datasets.{name}", results / str(name))
        for name, values in config["datasets"].items()
    }


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))


def _dataset(name: str, values: Mapping[str, Any], where: str, place: Path) -> Dataset:
    source = SOURCES[values["source"]["kind"]]
    if source is SOURCES["adopted"]:
        return _adopted(name, values, where, place)
    if (place / ADOPTED).exists():
        raise UserError(
            f"{where}.source.kind: {place} was adopted: set it to adopted, or give this dataset another name"
        )
    source_keys = {key: value for key, value in values["source"].items() if key != "kind"}
    filters: dict[str, Any] = {"filters": list(FILTERS)} if source.fetch else {}
    frames: dict[str, Any] = {"select": source.select} | filters | dict(values.get("frames", {}))
    flow: dict[str, Any] = ({"min_motion": MIN_MOTION} if source.fetch else {}) | dict(values.get("flow", {}))
    if source.single:
        frames.setdefault("pairs", "none")
    given = dict(values) | {"frames": frames, "flow": flow}
    stages = {name: _resolved(stage.options, given.get(name, {}), f"{where}.{name}") for name, stage in STAGES.items()}
    paired = frames.get("pairs", "") != "none"
    if source.single and paired:
        raise UserError(f"{where}.frames.pairs: images are videos of one frame and have no pairs: use none")
    views = tuple(values.get("views", ["cmp"] if paired else []))
    for view in views:
        _check_frames(VIEWS[view], paired, stages["frames"].triplets, where)
    source_options = _resolved(source.options, source_keys, f"{where}.source")
    if "download" in values and not source.fetch:
        raise UserError(f"{where}.download: videos of the kind {source.name} are not fetched: leave this out")
    return Dataset(
        name=name,
        where=f"{where}.source",
        source=source,
        source_options=source_options,
        stages=stages,
        views=views,
        columns=_columns(views, source, source_options),
        videos_per_shard=values.get("videos_per_shard", VIDEOS_PER_SHARD),
        min_success=values.get("min_success", MIN_SUCCESS),
        downloading=_resolved(Downloading, values.get("download", {}), f"{where}.download") if source.fetch else None,
    )


def _columns(views: Iterable[str], source: Source, options: Any) -> tuple[str, ...]:
    """The columns to build: frames, what the views join, masks and, beside flow, the exact one where the source has
    them.
    """
    joined = {column for view in views for column in VIEWS[view].columns}
    if "flow" in joined and source.truth is not None and getattr(options, "flow", True) is not None:
        joined.add("truth")
    if source.masks is not None and options.masks is not None:
        joined.add("masks")
    return tuple(name for name in STAGES if name == "frames" or name in joined)


def _adopted(name: str, values: Mapping[str, Any], where: str, place: Path) -> Dataset:
    """A dataset whose shards were made elsewhere: what is there, and nothing to choose."""
    if more := [key for key in values if key != "source"]:
        raise UserError(f"{where}.{more[0]}: an adopted dataset is as it was made: leave this out")
    if not (place / ADOPTED).exists():
        raise UserError(f"{where}: nothing was adopted as {place}: run `python -m pipeline adopt DIR --dataset {name}`")
    source = SOURCES["adopted"]
    return Dataset(
        name=name,
        where=f"{where}.source",
        source=source,
        source_options=source.options(),
        stages={stage.name: stage.options() for stage in STAGES.values()},
        views=tuple(view for view in VIEWS if (place / "shards" / view / SAMPLES).exists()),
        columns=tuple(column for column in STAGES if any((place / column).glob("*.tar"))),
        videos_per_shard=VIDEOS_PER_SHARD,
        min_success=MIN_SUCCESS,
    )


def _check_frames(view: View, paired: bool, triplets: bool, where: str) -> None:
    """Raises `UserError` where a view needs neighbours that the frames are not given."""
    neighbours = {*view.follow, *(field for column in view.columns for field in STAGES[column].follow)}
    if neighbours and not paired:
        raise UserError(f"{where}.views: {view.name} needs pairs of frames, and frames.pairs is none: leave it out")
    if "previous" in neighbours and not triplets:
        raise UserError(f"{where}.views: {view.name} needs the frame before, too: set frames.triplets: true")


def _resolved(options: type[Any], values: Mapping[str, Any], where: str) -> Any:
    try:
        return options(**values)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


def _explain(error: Any, file: str) -> str:
    """One line for jsonschema's `ValidationError`: the key's path, what is wrong, what would be right."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    where = f"{file}: {path}" if path else file
    schema = error.schema
    wanted = error.validator_value
    match error.validator:
        case "additionalProperties":
            known = list(schema.get("properties", {}))
            unknown = next(key for key in error.instance if key not in known)
            close = difflib.get_close_matches(str(unknown), known, 1)
            advice = f"did you mean {close[0]}?" if close else f"the keys here are {', '.join(known)}"
            return f"{file}: {f'{path}.' if path else ''}{unknown} is not a key: {advice}"
        case "required":
            missing = next(key for key in wanted if key not in error.instance)
            return f"{where} lacks {missing}, which is required"
        case "type":
            names = {"object": "a mapping", "array": "a list", "null": "null", "boolean": "true or false"}
            types = [wanted] if isinstance(wanted, str) else wanted
            right = " or ".join(names.get(name, f"a{'n' * (name[0] in 'aeiou')} {name}") for name in types)
            return f"{where} is {error.instance!r}: should be {right}"
        case "enum":
            close = difflib.get_close_matches(str(error.instance), wanted, 1)
            return f"{where} is {error.instance!r}: should be one of {', '.join(wanted)}" + (
                f" (did you mean {close[0]}?)" if close else ""
            )
        case "pattern" if "propertyNames" in error.schema_path:
            return f"{where}.{error.instance}: {schema['description']} has letters, digits and _ only"
        case "not" if "propertyNames" in error.schema_path:
            return f"{where}.{error.instance}: this name is taken: results/{error.instance} is not for a dataset"
        case "minProperties" | "minItems" if not error.instance:
            return f"{where} is empty: should have at least {wanted} entry"
        case "maxProperties":
            return f"{where} has {len(error.instance)} keys: should have one of {', '.join(schema['properties'])}"
        case "minimum":
            return f"{where} is {error.instance}: should be at least {wanted}"
        case "maximum":
            return f"{where} is {error.instance}: should be at most {wanted}"
        case _:
            return f"{where}: {error.message}"
