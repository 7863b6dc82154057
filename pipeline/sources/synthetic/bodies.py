"""Bodies of people and of animals, seen from the side or the front: limbs that hang on each other and swing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.sources.synthetic.layers import Shape
from pipeline.sources.synthetic.motion import Chain, swaying


@dataclass(frozen=True)
class Limb:
    """A limb, in shares of the body's height or length; angles in degrees, 90 is downwards.

    Attributes:
        parent: the limb that it hangs on by its place among all; None: the body itself.
        joint: where, x and y: of the body from its middle, of a limb along and across it from its own joint.
        heading: where it points at rest: from the body, or from its parent's direction.
        length, width: its whole length and half its width.
        swing: how far it turns to either side.
        behind: whether the body hides it.
    """

    parent: int | None
    joint: tuple[float, float]
    heading: float
    length: float
    width: float
    swing: float
    behind: bool = False


@dataclass(frozen=True)
class Anatomy:
    """A body: half its trunk's width and height, how that is rounded, its limbs, its size beside other objects'."""

    half: tuple[float, float]
    power: int
    limbs: tuple[Limb, ...]
    size: float


def _pair(joint: tuple[float, float], upper: Limb, lower: Limb, spread: float) -> tuple[Limb, ...]:
    """Limbs of two links that a body has twice: one behind the trunk at -spread, one before it at spread."""
    made: list[Limb] = []
    for side, behind in ((-spread, True), (spread, False)):
        first = len(made)
        made.append(
            Limb(None, (joint[0] + side, joint[1]), upper.heading, upper.length, upper.width, upper.swing, behind)
        )
        made.append(Limb(first, (upper.length, 0), lower.heading, lower.length, lower.width, lower.swing, behind))
    return tuple(made)


def _joined(*groups: Sequence[Limb]) -> tuple[Limb, ...]:
    """All limbs one after the other, parents counted through."""
    made: list[Limb] = []
    for group in groups:
        start = len(made)
        made += [
            Limb(
                None if limb.parent is None else limb.parent + start,
                *(limb.joint, limb.heading, limb.length, limb.width, limb.swing, limb.behind),
            )
            for limb in group
        ]
    return tuple(made)


def _link(heading: float, length: float, width: float, swing: float) -> Limb:
    return Limb(None, (0, 0), heading, length, width, swing)


PERSON = Anatomy(
    half=(0.085, 0.16),
    power=4,
    limbs=_joined(
        _pair((0, -0.13), _link(90, 0.17, 0.03, 60), _link(-15, 0.17, 0.024, 35), spread=0.07),
        _pair((0, 0.14), _link(90, 0.25, 0.045, 35), _link(10, 0.25, 0.034, 25), spread=0.04),
        (Limb(None, (0, -0.15), -90, 0.17, 0.06, 15),),
    ),
    size=2.2,
)
ANIMAL = Anatomy(
    half=(0.3, 0.13),
    power=2,
    limbs=_joined(
        _pair((-0.2, 0.06), _link(95, 0.2, 0.045, 30), _link(-10, 0.18, 0.025, 25), spread=0.05),
        _pair((0.2, 0.06), _link(90, 0.2, 0.04, 30), _link(10, 0.18, 0.025, 25), spread=0.05),
        (Limb(None, (0.24, -0.05), -50, 0.24, 0.07, 20), Limb(0, (0.2, 0), 55, 0.2, 0.06, 20)),
        (Limb(None, (-0.28, -0.04), 130, 0.28, 0.016, 40),),
    ),
    size=1.9,
)


def body(rng: np.random.Generator, unit: float, chain: Chain) -> list[tuple[Shape, Chain]]:
    """Draws a person or an animal: its parts, the farthest first, each with its motions.

    Args:
        unit: the size of an object, pixels; a body with its limbs is about as large.
        chain: the motion of the whole; people and animals stand upright, and tilt with a quarter of its turns.
    """
    anatomy = (PERSON, ANIMAL)[int(rng.integers(2))]
    scale = unit * 0.5 * anatomy.size * rng.uniform(0.8, 1.2)
    mirror = float(rng.choice([-1, 1]))
    motion = chain[-1]
    upright = type(motion)(
        np.array([*motion.rest[:3], rng.uniform(-0.2, 0.2)]), motion.sway * [[1], [1], [1], [0.25]], motion.phase
    )
    whole = (*chain[:-1], upright)
    trunk = Shape(0, (scale * anatomy.half[0], scale * anatomy.half[1]), anatomy.power, _bumps(rng, 0.05))
    behind, before, chains = list[tuple[Shape, Chain]](), [(trunk, whole)], list[Chain]()
    thickness = rng.uniform(0.7, 1.3)
    for limb in anatomy.limbs:
        heading = np.deg2rad(limb.heading)
        if limb.parent is None:
            at = scale * complex(mirror * limb.joint[0], limb.joint[1])
            heading = heading if mirror > 0 else np.pi - heading
        else:
            at, heading = scale * complex(*limb.joint), mirror * heading
        swing = swaying(rng, (at.real, at.imag, 0, heading), (0, 0, 0, np.deg2rad(limb.swing) * rng.uniform(0.4, 1)))
        above = whole if limb.parent is None else chains[limb.parent]
        chains.append((*above, swing))
        half = (scale * limb.length * 0.56, max(scale * limb.width * thickness, 1.5))  # links overlap at their joint
        shape = Shape(scale * limb.length / 2, half, 4, _bumps(rng, 0.03))
        (behind if limb.behind else before).append((shape, chains[-1]))
    return behind + before


def _bumps(rng: np.random.Generator, size: float) -> tuple[complex, complex]:
    two, three = size * np.exp(1j * rng.uniform(0, 2 * np.pi, 2))
    return complex(two), complex(three)
