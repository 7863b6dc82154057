"""Options that every method's training shares, and options from plain values.

Nothing here imports torch: Snakemake reads it, too.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pipeline.option import option

T = TypeVar("T")

LARGEST = 8192  # pixels, of a side that options ask for: more is a slip, or a file that wants memory
MOST = 10**9  # iterations, and samples of one: more is a slip


@dataclass(frozen=True)
class TransformOptions:
    """How an image and all that lies on it are resized, cropped and varied, in this order."""

    shorter_side: int | None = option(416, "pixels; null keeps the image's size")
    scale: tuple[float, float] = option((1.0, 1.0), "a further factor, drawn evenly from this range")
    crop: int = option(384, "the side of the square, pixels; a smaller image is padded, and the padding is not valid")
    flip: bool = option(False, "horizontally, half of the time")
    jitter: float = option(0.0, "brightness, contrast, saturation by up to this share")
    flip_vertical: bool = option(False, "vertically, half of the time")
    area: tuple[float, float] | None = option(
        None,
        "in training the crop is a box with a share of the image's area from this range, resized to the square, in "
        "place of what shorter_side and scale give; null: it is not",
    )
    aspect: tuple[float, float] = option((3 / 4, 4 / 3), "of area: the box's width over its height, from and to")

    def __post_init__(self) -> None:
        for name in ("crop", "shorter_side"):
            value = getattr(self, name)
            if value is not None and not 16 <= value <= LARGEST:
                raise ValueError(f"{name} is {value}: pixels, from 16 to {LARGEST}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale is {list(self.scale)}: should be a smaller and a larger factor, both above 0")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter is {self.jitter}: a share, from 0 to less than 1")
        if self.area is not None and not 0.01 <= self.area[0] <= self.area[1] <= 1:
            raise ValueError(f"area is {list(self.area)}: should be a smaller and a larger share, from 0.01 to 1")
        if not 0.1 <= self.aspect[0] <= self.aspect[1] <= 10:
            raise ValueError(f"aspect is {list(self.aspect)}: should be a smaller and a larger ratio, from 0.1 to 10")


@dataclass(frozen=True)
class GroupOptions:
    """What is different for some of the network's parameters."""

    learning_rate: float = option(1.0, "a factor: of training.learning_rate and its schedule")
    weight_decay: float | None = option(None, "in place of training.weight_decay; null: as all others")

    def __post_init__(self) -> None:
        if self.learning_rate < 0:
            raise ValueError(f"learning_rate is {self.learning_rate}: a factor, from 0 up")
        if self.weight_decay is not None and self.weight_decay < 0:
            raise ValueError(f"weight_decay is {self.weight_decay}: from 0 up, or null")


@dataclass(frozen=True)
class TrainingOptions:
    """How long, in which steps, and with which precision."""

    iterations: int = option(42_000, "steps of the optimizer")
    batch_size: int = option(160, "samples of one step, over all devices and passes")
    accumulation: int = option(
        1, "passes that a step is divided into, one after the other: more of them take less memory"
    )
    optimizer: str = option("sgd", "sgd, adam or adamw, as torch.optim has them")
    learning_rate: float = option(0.1, "of the schedule at its highest")
    momentum: float = option(0.9, "of sgd")
    betas: tuple[float, float] = option((0.9, 0.999), "of adam and adamw: decays of the gradient's two moments")
    amsgrad: bool = option(False, "of adam and adamw: the largest second moment so far, not the last")
    weight_decay: float = option(1e-4, "adamw's is decoupled from the gradient, the others' is part of it")
    decay_norms: bool = option(True, "whether the weights of normalisations, and biases, decay as well")
    groups: Mapping[str, GroupOptions] = field(
        default_factory=dict,
        metadata={
            "help": "parameters of the network by how their names begin (encoder, encoder.layer4), whose learning_rate "
            "(a factor) or weight_decay differ; the longest beginning counts"
        },
    )
    schedule: str = option("multistep", "multistep, polynomial, cosine or constant: how the learning rate falls")
    milestones: tuple[float, ...] = option(
        (2 / 3.5, 3 / 3.5), "of multistep: shares of the iterations after which the rate falls by gamma"
    )
    gamma: float = option(0.1, "of multistep: the factor")
    power: float = option(0.9, "of polynomial: the rate falls as (1 - iteration / iterations) ** power")
    warmup: int = option(0, "iterations over which the rate rises linearly from 0, before it falls")
    clip_norm: float | None = option(None, "the largest norm of all gradients together; null: any")
    ema: float | None = option(
        None, "the decay of a moving average of the weights, which is then what is measured and saved; null: none"
    )
    keep: str = option(
        "last", "last: the weights after the last iteration; best: those that validation measured to be best"
    )
    precision: str = option(
        "32-true", "32-true or bf16-mixed, Lightning's names; a CPU without arithmetic of bf16 takes 32-true for it"
    )
    channels_last: bool = option(True, "the memory layout that GPUs with bf16 are fastest with")
    compile: bool = option(False, "the network, by torch.compile")
    validate_every: int = option(2_000, "iterations")
    checkpoint_every: int = option(500, "iterations")
    seed: int = option(0, "of weights, samples and dropout")

    def __post_init__(self) -> None:
        for name in ("iterations", "batch_size", "accumulation", "validate_every", "checkpoint_every"):
            if not 1 <= getattr(self, name) <= MOST:
                raise ValueError(f"{name} is {getattr(self, name)}: from 1 to {MOST:,}")
        if self.batch_size % self.accumulation:
            raise ValueError(
                f"accumulation is {self.accumulation}: should divide batch_size, {self.batch_size}, into equal passes"
            )
        for name, choices in (
            ("optimizer", ("sgd", "adam", "adamw")),
            ("schedule", ("multistep", "polynomial", "cosine", "constant")),
            ("precision", ("32-true", "bf16-mixed")),
            ("keep", ("last", "best")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}: should be {', '.join(choices[:-1])} or {choices[-1]}"
                )
        for name in ("learning_rate", "weight_decay", "power"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: from 0 up")
        for name, shares in (("momentum", (self.momentum,)), ("betas", self.betas)):
            if any(not 0 <= share < 1 for share in shares):
                raise ValueError(f"{name} is {getattr(self, name)}: from 0 to less than 1")
        if any(not 0 < share < 1 for share in self.milestones) or list(self.milestones) != sorted(self.milestones):
            raise ValueError(
                f"milestones are {list(self.milestones)}: shares of the iterations, above 0 and below 1, one after the "
                "other"
            )
        if not 0 < self.gamma <= 1:
            raise ValueError(f"gamma is {self.gamma}: a factor, above 0 and at most 1")
        if not 0 <= self.warmup < self.iterations:
            raise ValueError(f"warmup is {self.warmup}: from 0 to less than iterations, {self.iterations}")
        if self.clip_norm is not None and self.clip_norm <= 0:
            raise ValueError(f"clip_norm is {self.clip_norm}: above 0, or null")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema is {self.ema}: a decay, above 0 and below 1, or null")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed is {self.seed}: from 0 up, of 63 bits")

    def check_devices(self, devices: int) -> None:
        """Raises ValueError where so many devices cannot share the samples of a pass evenly."""
        if self.batch_size % (devices * self.accumulation):
            passes = f" in {self.accumulation} passes" if self.accumulation > 1 else ""
            raise ValueError(
                f"batch_size is {self.batch_size}, which {devices} devices cannot share evenly{passes}: take a multiple"
            )


@dataclass(frozen=True)
class Machine:
    """What a run may use. None of it changes which samples a step has."""

    workers: int = 2  # loader processes per device; 0 loads in the training process
    threads: int | None = None  # of torch on a CPU; by default all cores


def build(options: type[T], values: Any, base: T | None = None) -> T:
    """Returns a dataclass of options from plain JSON values; what is left out has its default, nested options too.

    Those within another have the defaults that it gives them: a method's own `training`, and not everybody's.

    Args:
        base: has what is left out, in place of the dataclass's own defaults.

    Raises:
        ValueError: a key is unknown or missing, a value is of another type or refused; the message starts with the
            key's path.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"is {_shown(values)}: should be a mapping of options")
    hints = get_type_hints(options)
    known = {field.name: field for field in fields(options)}  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise ValueError(f"{name} is not an option: should be one of {', '.join(known)}")
    defaults = {name: _default(one) if base is None else getattr(base, name) for name, one in known.items()}
    made = {name: _value(hints[name], value, name, defaults[name]) for name, value in values.items()}
    for name, default in defaults.items():
        if made.setdefault(name, default) is MISSING:
            raise ValueError(f"{name} is missing")
    return options(**made)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `base` with the values of `over` in their place, mappings key by key."""
    both = dict(base)
    for name, value in over.items():
        both[name] = merged(both[name], value) if isinstance(value, Mapping) and name in both else value
    return both


def _default(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def _value(hint: Any, value: Any, name: str, default: Any = MISSING) -> Any:
    """A value as its type has it: a whole float is an integer, an integer a float, a list a tuple.

    Options within options that are left out are those of `default`, where that is such options.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        (hint,) = (one for one in inner if one is not NoneType)
        return _value(hint, value, name, default)
    if is_dataclass(hint) and type(value) is not hint:
        try:
            return build(hint, value, default if isinstance(default, hint) else None)  # type: ignore[arg-type]
        except ValueError as error:
            joint = " " if str(error).startswith("is ") else "."
            raise ValueError(f"{name}{joint}{error}") from error
    if origin is tuple and isinstance(value, list | tuple):
        wanted = inner[:1] * len(value) if inner[1:] == (...,) else inner
        if len(wanted) != len(value):
            raise ValueError(f"{name} is {_shown(value)}: should be {len(wanted)} values")
        return tuple(_value(one, part, f"{name}[{i}]") for i, (one, part) in enumerate(zip(wanted, value, strict=True)))
    if origin is not None and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return {_value(inner[0], key, name): _value(inner[1], part, f"{name}.{key}") for key, part in value.items()}
    if hint in (int, float):
        if type(value) in (int, float) and abs(value) < 2**63 and (hint is float or value == int(value)):
            return hint(value)
    elif hint is Any or type(value) is hint:
        return value
    raise ValueError(f"{name} is {_shown(value)}: should be {_expected(hint, value)}")


def _expected(hint: Any, value: Any) -> str:
    if hint is float and isinstance(value, str):
        return "a number, and YAML takes one like 1e-4 for text: write 1.0e-4"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if hint in names:
        return names[hint]
    return "a list" if get_origin(hint) is tuple else "a mapping"


def _shown(value: Any) -> str:
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
