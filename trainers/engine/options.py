"""Options that every method's training shares. Nothing here imports torch: Snakemake reads it, too."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


@dataclass(frozen=True)
class TransformOptions:
    """How an image and all that lies on it are resized, cropped and varied, in this order."""

    shorter_side: int | None = 416  # pixels; null keeps the image's size
    scale: tuple[float, float] = (1.0, 1.0)  # a further factor, drawn evenly from this range
    crop: int = 384  # the side of the square, pixels; a smaller image is padded, and the padding is not valid
    flip: bool = False  # horizontally, half of the time
    jitter: float = 0.0  # brightness, contrast, saturation by up to this share
    flip_vertical: bool = field(default=False, metadata={"help": "top to bottom, half of the time"})

    def __post_init__(self) -> None:
        if self.crop < 16 or (self.shorter_side is not None and self.shorter_side < 16):
            raise ValueError(f"crop is {self.crop} and shorter_side {self.shorter_side}: from 16 pixels up")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale is {list(self.scale)}: should be a smaller and a larger factor, both above 0")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter is {self.jitter}: a share, from 0 to less than 1")


@dataclass(frozen=True)
class TrainingOptions:
    """How long, in which steps, and with which precision."""

    iterations: int = 42_000  # steps of the optimiser
    batch_size: int = 160  # samples of one step, over all devices and accumulated passes
    device_batch: int | None = None  # samples of one pass on one device; by default the device's whole share of a step
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "steps"  # or polynomial: the rate falls as (1 - iteration / iterations) ** power
    drops: tuple[float, ...] = (2 / 3.5, 3 / 3.5)  # of steps: shares of the iterations after which the rate is a tenth
    power: float = 0.9  # of polynomial
    precision: str = "32-true"  # Lightning's names: 32-true or bf16-mixed
    validate_every: int = 2_000  # iterations
    checkpoint_every: int = 500  # iterations
    compile: bool = False  # the network, by torch.compile
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("iterations", "batch_size", "validate_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: from 1 up")
        if self.device_batch is not None and (self.device_batch < 1 or self.batch_size % self.device_batch):
            raise ValueError(
                f"device_batch is {self.device_batch}: should divide batch_size, {self.batch_size}, into equal passes"
            )
        if self.schedule not in ("steps", "polynomial"):
            raise ValueError(f"schedule is {self.schedule!r}: should be steps or polynomial")
        if any(not 0 < share < 1 for share in self.drops):
            raise ValueError(f"drops are {list(self.drops)}: shares of the iterations, above 0 and below 1")
        if self.precision not in ("32-true", "bf16-mixed"):
            raise ValueError(f"precision is {self.precision!r}: should be 32-true or bf16-mixed")


@dataclass(frozen=True)
class DataOptions:
    """Which videos of the views train, and which are held out. A video never changes sides as a dataset grows."""

    hold_out: float = 0.0  # the share of videos that no model trains on, for validation
    share: float = 1.0  # the share of the other videos that are trained on

    def __post_init__(self) -> None:
        if not 0 <= self.hold_out < 1:
            raise ValueError(f"hold_out is {self.hold_out}: a share of the videos, from 0 to less than 1")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}: a share of the videos, above 0 and at most 1")


@dataclass(frozen=True)
class Machine:
    """What a run may use. None of it changes which samples a step has."""

    workers: int = 2  # loader processes per device; 0 loads in the training process
    threads: int | None = None  # of torch on a CPU; by default all cores


def build(options: type[T], values: Mapping[str, Any]) -> T:
    """A dataclass of options from plain JSON values; what is left out has its default, nested options too.

    Raises:
        ValueError: a key is unknown, or a value is refused; the message starts with the key's path.
    """
    hints = get_type_hints(options)
    known = [field.name for field in fields(options)]  # type: ignore[arg-type]
    made = {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{name} is not an option: should be one of {', '.join(known)}")
        if is_dataclass(hints[name]):
            try:
                value = build(hints[name], value)
            except ValueError as error:
                raise ValueError(f"{name}.{error}") from error
        made[name] = tuple(value) if isinstance(value, list) else value
    return options(**made)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over` in their place, mappings key by key."""
    both = dict(base)
    for name, value in over.items():
        both[name] = merged(both[name], value) if isinstance(value, Mapping) and name in both else value
    return both
