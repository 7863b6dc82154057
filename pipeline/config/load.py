"""config.yaml: validated against its schema, resolved to the options of sources and stages.

Every refusal names the key by its path and says what would be right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common_fate.datasets.adopted_record import ADOPTED
from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from common_fate.manifest.samples import SAMPLES
from pipeline.columns.flow.estimator_families import at_its_path, family_of
from pipeline.columns.frames.filters import FILTERS
from pipeline.config.schema import check, datasets_validator
from pipeline.config.values import check_values, with_paths
from pipeline.downloads.policy import DownloadPolicy
from pipeline.registry import STAGES, VIEWS, columns_of
from pipeline.sources import SOURCES
from pipeline.sources.source import Source
from pipeline.stages.stage import resolved
from pipeline.views import View

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
    downloading: DownloadPolicy | None = None

    @property
    def adopted(self) -> bool:
        """Whether its shards were made elsewhere, so that nothing of it is built."""
        return self.source is SOURCES["adopted"]

    def options(self, stage: str) -> dict[str, Any]:
        """Returns a stage's resolved options, as JSON."""
        return resolved(self.stages[stage])

    def weights(self, stage: str) -> tuple[Path, ...]:
        """Returns the files, beside its inputs, whose bytes shape a column."""
        return STAGES[stage].weights(self.stages[stage])

    def videos(self) -> list[Video]:
        """Lists the source. Raises `UserError` where it cannot be listed."""
        return self.source.videos(self.source_options, self.where)


def load(config: Mapping[str, Any], file: str = "config.yaml", results: Path = Path("results")) -> dict[str, Dataset]:
    """Validates a configuration and resolves its datasets; the adopted ones have to be in `results`.

    Raises:
        UserError: the first thing that is wrong, by its path in `file`, and what would be right.
    """
    check_values(config, file)
    config = check(config, datasets_validator(), file)
    return {
        name: _dataset(
            name, with_paths(values) | {"source": values["source"]}, f"{file}: datasets.{name}", results / str(name)
        )
        for name, values in config["datasets"].items()
    }


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
    trained_here = False
    if "estimator" in flow:
        named, flow["estimator"] = flow["estimator"], at_its_path(flow["estimator"], place.parent)
        trained_here = named != flow["estimator"]
        try:
            family_of(flow["estimator"])
        except ValueError as error:
            raise UserError(f"{where}.flow.estimator: {error}") from error
    if source.single:
        frames.setdefault("pairs", "none")
    given = dict(values) | {"frames": frames, "flow": flow}
    stages = {name: _resolved(stage.options, given.get(name, {}), f"{where}.{name}") for name, stage in STAGES.items()}
    paired = frames.get("pairs", "") != "none"
    if source.single and paired:
        raise UserError(f"{where}.frames.pairs: images are videos of one frame and have no pairs: use none")
    views = tuple(values.get("views", ["cmp"] if paired else []))
    source_options = _resolved(source.options, source_keys, f"{where}.source")
    known = _known(source, source_options, paired)
    for view in views:
        # The experiment says which frames its network reads: a file may stand there of what it was before.
        _check_frames(VIEWS[view], stages, paired, where, {"flow"} if trained_here else set())
        needed = [column for column, members in VIEWS[view].columns.items() if members]
        if lacking := [column for column in needed if not known.get(column, True)]:
            raise UserError(f"{where}.views: {view} joins {lacking[0]}, and this source has none: leave it out")
    if "download" in values and not source.fetch:
        raise UserError(f"{where}.download: videos of the kind {source.name} are not fetched: leave this out")
    return Dataset(
        name=name,
        where=f"{where}.source",
        source=source,
        source_options=source_options,
        stages=stages,
        views=views,
        columns=tuple(columns_of(views, [name for name, there in known.items() if there])),
        videos_per_shard=values.get("videos_per_shard", VIDEOS_PER_SHARD),
        min_success=values.get("min_success", MIN_SUCCESS),
        downloading=_resolved(DownloadPolicy, values.get("download", {}), f"{where}.download")
        if source.fetch
        else None,
    )


def _known(source: Source, options: Any, paired: bool) -> dict[str, bool]:
    """The columns of what a source may know of its videos, and whether this one does."""
    truth = paired and source.truth is not None and getattr(options, "flow", True) is not None
    return {
        "truth": truth,
        "masks": source.masks is not None and options.masks is not None,
        "landmarks": source.points is not None and getattr(options, "points", True) is not None,
    }


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


def _check_frames(view: View, stages: Mapping[str, Any], paired: bool, where: str, but: set[str]) -> None:
    """Raises `UserError` where a view needs neighbours that the frames are not given, all but some columns' own."""
    neighbours = set(view.follow)
    for column in view.columns.keys() - but:
        try:
            neighbours.update(STAGES[column].neighbours(stages[column]))
        except UserError as error:
            raise UserError(f"{where}.{column}: {error}") from error
    if neighbours and not paired:
        raise UserError(f"{where}.views: {view.name} needs pairs of frames, and frames.pairs is none: leave it out")
    if "previous" in neighbours and not stages["frames"].triplets:
        raise UserError(f"{where}.views: {view.name} needs the frame before, too: set frames.triplets: true")


def _resolved(options: type[Any], values: Mapping[str, Any], where: str) -> Any:
    try:
        return options(**values)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
