"""What a stage is: a pure function of decoded samples, and what the runner must know about it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from common_fate.errors import SampleError, UserError, check_machine

Sample = Mapping[str, Any]
"""A sample's members by extension, decoded: `{"jpg": (H, W, 3) uint8, "flow.b2": (2, H, W) float32, "json": {...}}`.

Members read from a column decode when they are first asked for. A stage may return `bytes` for a member that it has
encoded itself.
"""


@dataclass(frozen=True)
class Failure:
    """A sample that could not be made, and why.

    `lost` is how many samples it stands for; None of an item that gives nothing, such as a video that cannot be opened.
    """

    key: str
    reason: str
    lost: int | None = 1


@dataclass(frozen=True)
class Dropped:
    """A sample that was left out on purpose, and why: the reason is one of few, by which they are counted."""

    key: str
    reason: str


@dataclass(frozen=True)
class Drop:
    """Stands in place of a sample that is to be left out on purpose."""

    reason: str


Items = Iterator[tuple[str, Sample]]
Outcome = tuple[str, Sample] | Failure | Dropped
Outcomes = Iterator[Outcome]


def resolved(options: Any) -> dict[str, Any]:
    """Returns a stage's options as JSON. One that was added later (`pipeline.option.option`) is left out while it is
    off, so that shards stand that were made before there was any. The number 0 is not off: it may be what is asked for.
    """
    later = {option.name for option in fields(options) if option.metadata.get("added")}
    values = asdict(options)
    return {name: value for name, value in values.items() if name not in later or value or _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _measure_nothing(sample: Sample) -> dict[str, float]:
    return {}


def _no_provenance(options: Any) -> dict[str, Any]:
    return {}


def _no_weights(options: Any) -> tuple[Path, ...]:
    return ()


def _never(options: Any) -> bool:
    return False


@dataclass(frozen=True)
class Stage:
    """One column: its name, what it reads, and the function that makes it.

    Args:
        name: the column's name, and the command's.
        version: raised whenever the same input and options give other bytes; raising it reruns the stage.
        reads: the columns whose members are joined by key into each sample. `"source"` stands for the videos
            themselves: alone, the items are videos, `(video id, {"video": Video})`; beside a column, each sample gets
            the `"video"` it comes from.
        options: the frozen dataclass of options; its defaults are the defaults of config.yaml.
        run: `(items, options) -> outcomes` in the order of the items; see `each`, `in_batches`. Items it leaves out
            are not in the stage's domain, which is no failure; those it drops could be made, and are counted.
        follow: fields of a frame's `json` that name another frame of the same video, or a function of the options that
            says which; that frame's members join the sample under `"{field}.{extension}"`. Samples whose field is null
            are not in the stage's domain. See `neighbours`.
        measure: numbers worth knowing about a made sample; the record keeps their mean, minimum and maximum.
        software: distributions whose version shapes the output; the record names them.
        provenance: further facts for the record, such as a checkpoint and its sha256.
        weights: files that shape the bytes beside the inputs, such as a checkpoint: of the user's, or an experiment's.
            The provenance has the sha256 of each. Other bytes under the same path make the column again.
        gpu: whether a job with these options is a network's, which a GPU makes faster.
        threads: cores that a job of this stage uses.
        memory_mb: what a job asks of a cluster, in MB, on its first try; each retry asks for as much again.
        minutes: likewise the time.
    """

    name: str
    version: int
    reads: tuple[str, ...]
    options: type[Any]
    run: Callable[[Items, Any], Outcomes]
    follow: tuple[str, ...] | Callable[[Any], tuple[str, ...]] = ()
    measure: Callable[[Sample], dict[str, float]] = _measure_nothing
    software: tuple[str, ...] = ()
    provenance: Callable[[Any], dict[str, Any]] = field(default=_no_provenance)
    weights: Callable[[Any], tuple[Path, ...]] = field(default=_no_weights)
    gpu: Callable[[Any], bool] = field(default=_never)
    threads: int = 1
    memory_mb: int = 2000
    minutes: int = 60

    def neighbours(self, options: Any) -> tuple[str, ...]:
        """Returns the fields that lead to the frames that join a sample: `follow` with these options.

        Raises:
            UserError: they follow from a file that cannot be read.
        """
        return self.follow(options) if callable(self.follow) else self.follow


def reason_of(error: Exception) -> str:
    """Returns the reason of a failure row: the message of an expected error, the type as well of an unexpected one."""
    return str(error) if isinstance(error, SampleError) else f"{type(error).__name__}: {error}"


def failure(key: str, error: Exception, lost: int | None = 1) -> Failure:
    """Returns the failure row of an error. Raises UserError where the machine failed, not the sample."""
    check_machine(error, key)
    return Failure(key, reason_of(error), lost)


def each(annotate: Callable[[Sample, Any], Sample | None]) -> Callable[[Items, Any], Outcomes]:
    """Makes a stage's `run` from a function of one sample; None means not in the stage's domain."""

    def run(items: Items, options: Any) -> Outcomes:
        for key, sample in items:
            try:
                made = annotate(sample, options)
            except Exception as error:
                yield failure(key, error)
            else:
                if made is not None:
                    yield key, made

    return run


def in_batches(
    annotate: Callable[[list[Sample], Any], Sequence[Sample | Drop]], shape: Callable[[Sample], tuple[int, ...]]
) -> Callable[[Items, Any], Outcomes]:
    """Makes a stage's `run` from a function of a list of samples of one shape, at most `options.batch_size` at a time.

    A batch that fails is tried again sample by sample, so that one bad sample costs only itself. In place of a sample
    the function may give a `Drop`.
    """

    def shaped(items: Items) -> Iterator[tuple[str, Sample, tuple[int, ...] | Failure]]:
        for key, sample in items:
            try:
                yield key, sample, shape(sample)
            except Exception as error:
                yield key, sample, failure(key, error)

    def run(items: Items, options: Any) -> Outcomes:
        for same, group in groupby(shaped(items), key=lambda item: item[2]):
            if isinstance(same, Failure):
                yield same
                continue
            while batch := [(key, sample) for key, sample, _ in islice(group, options.batch_size)]:
                try:
                    made = annotate([sample for _, sample in batch], options)
                except UserError:
                    raise
                except Exception:
                    for key, sample in batch:
                        try:
                            yield _outcome(key, annotate([sample], options)[0])
                        except Exception as error:
                            yield failure(key, error)
                else:
                    yield from (_outcome(key, one) for (key, _), one in zip(batch, made, strict=True))

    return run


def _outcome(key: str, made: Sample | Drop) -> Outcome:
    return Dropped(key, made.reason) if isinstance(made, Drop) else (key, made)
