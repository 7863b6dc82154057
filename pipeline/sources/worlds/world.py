"""What a world is: things that are simulated and drawn, whose motion is therefore known exactly."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.option import option
from pipeline.sources.source import Points, Truth


class Film(Protocol):
    """One video of a world, simulated. Frames are numbered from 0 to `WorldOptions.frames - 1`."""

    def image(self, number: int) -> NDArray[np.uint8]:
        """Draws a frame `(size, size, 3)`, RGB, with smooth edges."""

    def truth(self, first: int, second: int) -> Truth:
        """Returns the motion from one frame to any other; `objects` are the parts, 0 the background."""

    def points(self, number: int) -> Points:
        """Returns the named points of a frame, the same names in all of them."""


@dataclass(frozen=True)
class World:
    """A world.

    Args:
        name: as in `source.world` of config.yaml.
        film: `(options, index) -> film` of one video; the same whenever (seed, world, index) are, and a longer one
            begins as a shorter one does.
        about: what is seen, for the table of the docs.
        bilateral: whether it is symmetric from left to right.
        turns: into how many like parts it turns about its centre; 1: it has no rotational symmetry.
    """

    name: str
    film: Callable[["WorldOptions", int], Film]
    about: str
    bilateral: bool = False
    turns: int = 1


def _imported(place: str) -> Callable[["WorldOptions", int], Film]:
    """The function at `module:name`, imported when it is called: planning a workflow needs no physics."""

    def film(options: "WorldOptions", index: int) -> Film:
        module, name = place.split(":")
        return cast(Film, getattr(import_module(module), name)(options, index))

    return film


MOST_STEPS = 2_000_000
"""Of a video, which is simulated as a whole before its first frame."""

_ROOM = "pipeline.sources.worlds"
_WORLDS = (
    World("roboarm", _imported(f"{_ROOM}.roboarm:one_arm"), "an arm of coloured capsules that ends in two fingers"),
    World(
        "two_arms",
        _imported(f"{_ROOM}.roboarm:two_arms"),
        "a left and a right arm, anchored in the lower corners",
        bilateral=True,
    ),
    World("triskelion", _imported(f"{_ROOM}.triskelion:film"), "a soft body with three like legs", turns=3),
    World("sphere", _imported(f"{_ROOM}.sphere:film"), "a textured sphere that turns through full circles"),
    World("car", _imported(f"{_ROOM}.car:film"), "a car that turns about, its rear in another colour", bilateral=True),
    World("robot", _imported(f"{_ROOM}.robot:film"), "a robot's arm before a camera that moves"),
)
WORLDS: dict[str, World] = {world.name: world for world in _WORLDS}


@dataclass(frozen=True)
class WorldOptions:
    """Which world, and how much of it. Raises `ValueError` where there is no such world or a number is out of range."""

    world: str = option(help="one of " + ", ".join(f"`{name}`" for name in WORLDS), enum=list(WORLDS))
    videos: int = option(8, "how many; raising it adds videos and leaves those there are", minimum=1, maximum=1_000_000)
    frames: int = option(100, "of a video", minimum=1, maximum=100_000)
    size: int = option(90, "of a frame, which is square, pixels", minimum=32, maximum=1024)
    seed: int = option(0, "another one gives other videos", minimum=0, maximum=2**32 - 1)
    steps: int = option(20, "of simulated time from a frame to the next: more is faster", minimum=1, maximum=1000)

    def __post_init__(self) -> None:
        if self.world not in WORLDS:
            raise ValueError(f"world is {self.world!r}: there are {', '.join(WORLDS)}")
        for one in fields(self):
            low, high = (one.metadata.get("schema", {}).get(end) for end in ("minimum", "maximum"))
            value = getattr(self, one.name)
            if low is not None and not low <= value <= high:
                raise ValueError(f"{one.name} is {value} and should be from {low} to {high}")
        if self.frames * self.steps > MOST_STEPS:
            raise ValueError(
                f"frames is {self.frames} and steps {self.steps}: a video has at most {MOST_STEPS:,} steps in all"
            )
