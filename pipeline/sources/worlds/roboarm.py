"""The worlds `roboarm` and `two_arms`: chains of coloured capsules that a changing gravity swings about.

Thewlis, Bilen and Vedaldi, "Unsupervised learning of object frames by dense equivariant image labelling", NeurIPS 2017,
section 4.1; the pair of arms is of "Modelling and unsupervised learning of symmetric deformable object categories",
NeurIPS 2018, section 6.1. Lengths are in the units of `gravity`.
"""

from dataclasses import dataclass
from math import pi, radians

import numpy as np
import pymunk
from numpy.typing import NDArray

from pipeline.sources.worlds.drawing import Canvas, Colour, shaded
from pipeline.sources.worlds.gravity import UNITS, in_pixels, new_space, seeded, simulate
from pipeline.sources.worlds.plane import LayeredFilm, Places
from pipeline.sources.worlds.world import WorldOptions

BACKGROUND = (238, 240, 243)
ANCHOR = 6 + 84j  # of the left arm
PAIR = 0.72  # the size of each of two arms
RIM = 0.9  # the width of the darker line around a capsule


@dataclass(frozen=True)
class Link:
    """A capsule of an arm, whose joint is at one end of its line.

    `on` is the link at whose other end its joint is, -1 the anchor; `radius` is around the line of `length`. `rest` is
    its direction beside the link it is on, anticlockwise, and `limit` how far it turns either way, in degrees.
    """

    name: str
    on: int
    length: float
    radius: float
    rest: float
    limit: float
    colour: Colour


ARM = (
    Link("link_1", -1, 15, 5.0, 45, 32, (214, 69, 65)),
    Link("link_2", 0, 15, 4.6, 0, 34, (240, 147, 54)),
    Link("link_3", 1, 15, 4.2, 0, 34, (235, 203, 66)),
    Link("link_4", 2, 14, 3.8, 0, 34, (101, 178, 85)),
    Link("upper_finger_1", 3, 10, 2.9, 38, 20, (63, 188, 196)),
    Link("upper_finger_2", 4, 9, 2.5, -14, 24, (78, 122, 214)),
    Link("lower_finger_1", 3, 10, 2.9, -38, 20, (150, 104, 208)),
    Link("lower_finger_2", 6, 9, 2.5, 14, 24, (222, 110, 172)),
)


@dataclass(frozen=True, eq=False)
class Capsule:
    """A layer: all points within `radius` of a line of `length` from a body's origin along its first axis, in pixels.

    `turn (F,)` and `shift (F,)` are the body's pose in each frame; its named point is the capsule's centre.
    """

    label: int
    names: tuple[str, ...]
    length: float
    radius: float
    rim: float
    colour: Colour
    turn: Places
    shift: Places

    def draw(self, canvas: Canvas, number: int) -> None:
        """Draws it with a darker rim and a lighter joint."""
        start, end = self.shift[number], self.shift[number] + self.turn[number] * self.length
        canvas.capsule(start, end, self.radius, shaded(self.colour, 0.62))
        canvas.capsule(start, end, self.radius - self.rim, self.colour)
        canvas.capsule(start, start, 0.42 * self.radius, shaded(self.colour, 1.5))

    def covers(self, number: int, places: Places) -> NDArray[np.bool_]:
        """Returns which places are within the radius."""
        own = (places - self.shift[number]) * np.conj(self.turn[number])
        return np.abs(own - np.clip(own.real, 0, self.length)) <= self.radius

    def carried(self, first: int, second: int, places: Places) -> Places:
        """Returns where the body carries places from one frame to another."""
        return self.shift[second] + (places - self.shift[first]) * np.conj(self.turn[first]) * self.turn[second]

    def points(self, number: int) -> Places:
        """Returns its centre, `(1,)`."""
        return self.shift[number] + self.turn[number] * np.array([self.length / 2])


def one_arm(options: WorldOptions, index: int) -> LayeredFilm:
    """Makes a film of one arm, anchored in the lower left corner."""
    rng = seeded(options, index)
    space = _room()
    bodies = _arm(space, 1, False, rng)
    poses = simulate(space, bodies, options.frames, options.steps, rng)
    return LayeredFilm(options.size, BACKGROUND, _layers(options.size, 1, "", 1, *poses))


def two_arms(options: WorldOptions, index: int) -> LayeredFilm:
    """Makes a film of two arms, anchored in the lower corners, under the same gravity; either one is the nearer."""
    rng = seeded(options, index)
    space = _room()
    left_nearer = bool(rng.random() < 0.5)
    bodies = [*_arm(space, PAIR, False, rng), *_arm(space, PAIR, True, rng)]
    turn, shift = simulate(space, bodies, options.frames, options.steps, rng)
    left = _layers(options.size, PAIR, "left_", 1, turn[:, : len(ARM)], shift[:, : len(ARM)])
    right = _layers(options.size, PAIR, "right_", 1 + len(ARM), turn[:, len(ARM) :], shift[:, len(ARM) :])
    return LayeredFilm(options.size, BACKGROUND, right + left if left_nearer else left + right)


def _room() -> pymunk.Space:
    """A space with walls along the picture's border."""
    space = new_space()
    thick, far = 50, UNITS + 50
    corners = [(-thick, -thick), (far, -thick), (far, far), (-thick, far)]
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        space.add(pymunk.Segment(space.static_body, start, end, thick))
    return space


def _arm(space: pymunk.Space, scale: float, mirrored: bool, rng: np.random.Generator) -> list[pymunk.Body]:
    """Adds an arm to a space: its links turn within their limits and pass through each other, not through walls."""
    anchor = ANCHOR * scale + 1j * UNITS * (1 - scale)  # as far from the corner as it is large
    if mirrored:
        anchor = UNITS - anchor.conjugate()
    turned = 1 if mirrored else -1  # on a picture, whose y is down, anticlockwise is negative
    bodies: list[pymunk.Body] = []
    for link in ARM:
        body = pymunk.Body()
        below = bodies[link.on] if link.on >= 0 else space.static_body
        joint = (ARM[link.on].length * scale, 0.0) if link.on >= 0 else (anchor.real, anchor.imag)
        rest = turned * radians(link.rest) + (pi if mirrored and link.on < 0 else 0)
        limit = radians(link.limit)
        body.angle = below.angle + rest - turned * float(rng.uniform(-0.7, 0.7)) * limit
        body.position = below.local_to_world(joint)
        shape = pymunk.Segment(body, (0, 0), (link.length * scale, 0), link.radius * scale)
        shape.density, shape.friction, shape.filter = 1, 0, pymunk.ShapeFilter(group=1)
        space.add(
            body,
            shape,
            pymunk.PivotJoint(below, body, joint, (0, 0)),
            pymunk.RotaryLimitJoint(below, body, rest - limit, rest + limit),
        )
        bodies.append(body)
    return bodies


def _layers(size: int, scale: float, side: str, label: int, turn: Places, shift: Places) -> tuple[Capsule, ...]:
    """The links of an arm, of which those nearer to the anchor are nearer to the eye."""
    unit = size / UNITS
    made = [
        Capsule(
            label + number,
            (side + link.name,),
            link.length * scale * unit,
            link.radius * scale * unit,
            RIM * unit,
            link.colour,
            turn[:, number],
            in_pixels(shift[:, number], size),
        )
        for number, link in enumerate(ARM)
    ]
    return tuple(reversed(made))
