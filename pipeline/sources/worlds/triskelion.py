"""The world `triskelion`: a soft body with three like legs, held at its centre and pulled by a changing gravity.

It stands for the protein clathrin of Thewlis, Bilen and Vedaldi, "Modelling and unsupervised learning of symmetric
deformable object categories", NeurIPS 2018, section 6.2. A leg is a chain of short pieces, each held by a spring, under
one skin that bends with them. Lengths are in the units of `gravity`.
"""

from dataclasses import dataclass
from math import pi, radians

import numpy as np
import pymunk
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from pipeline.kernels.skins import locate
from pipeline.sources.worlds.drawing import Canvas, Colour, shaded
from pipeline.sources.worlds.gravity import UNITS, in_pixels, new_space, seeded, simulate
from pipeline.sources.worlds.plane import LayeredFilm, Places
from pipeline.sources.worlds.world import WorldOptions

BACKGROUND = (236, 239, 244)
LEGS = 3
HUB = 6.2  # its radius
SHIFT = 4.0  # its centre from the picture's, at most, either way
PIECES = 7  # of a leg
PIECE = 4.9
BEND = 9.0  # degrees from a piece to the next at rest: all legs turn the same way, so there is no mirror symmetry
LIMIT = 28.0  # degrees that a piece turns from its rest, either way
STIFFNESS = 52_000.0  # of the spring at the hub; the square of what is left of the leg goes with it
RELAXED = 0.12  # seconds in which a spring's damping takes its speed
WIDTHS = ((0.0, 0.3, 0.62, 0.84, 1.0), (4.3, 3.4, 2.7, 3.9, 3.9))  # half of a leg's, along it, before its round end
ROUND = 0.89  # along the leg, where the round end begins
ALONG = np.concatenate([np.linspace(0, ROUND, 19), 1 - (1 - ROUND) * (1 - np.sin(np.linspace(0.15, 0.5, 8) * pi))])
ACROSS = np.array([-1, -0.7, 0.7, 1])  # the skin's lines along a leg, in half widths; the rim is outside of the inner
BANDS: tuple[tuple[float, Colour], ...] = (
    (1.0, (112, 86, 178)),
    (0.83, (74, 118, 206)),
    (0.64, (56, 168, 190)),
    (0.45, (104, 186, 120)),
    (0.28, (226, 190, 80)),
)
"""Up to where along the leg, and in which colour; each is drawn over the one before."""
PLACES = (0.36, 0.55, 0.74, 0.93)  # of the named points, along the leg
KNOB = (222, 98, 86)


@dataclass(frozen=True, eq=False)
class Leg:
    """A layer: a skin of triangles over a leg.

    `skin (F, S, A)` are its corners in pixels at each frame: S stations along it, A across.
    """

    label: int
    names: tuple[str, ...]
    skin: Places
    light: float

    def draw(self, canvas: Canvas, number: int) -> None:
        """Draws it with a darker rim, in bands of colour."""
        skin = self.skin[number]
        canvas.polygon(_around(skin[:, 0], skin[:, -1]), shaded(BANDS[0][1], 0.5 * self.light))
        for end, colour in BANDS:
            last = int(np.searchsorted(ALONG, end, side="right"))
            canvas.polygon(_around(skin[:last, 1], skin[:last, 2]), shaded(colour, self.light))

    def covers(self, number: int, places: Places) -> NDArray[np.bool_]:
        """Returns which places are on the skin."""
        found, _ = locate(places.ravel(), self.skin[number].ravel()[TRIANGLES])
        return (found >= 0).reshape(places.shape)

    def carried(self, first: int, second: int, places: Places) -> Places:
        """Returns where the skin carries places from one frame to another."""
        found, weights = locate(places.ravel(), self.skin[first].ravel()[TRIANGLES])
        return (self.skin[second].ravel()[TRIANGLES][found] * weights).sum(1).reshape(places.shape)

    def points(self, number: int) -> Places:
        """Returns where `PLACES` are, halfway across."""
        stations = [int(np.abs(ALONG - place).argmin()) for place in PLACES]
        return np.asarray(self.skin[number][stations, 1:3].mean(1))


@dataclass(frozen=True, eq=False)
class Hub:
    """A layer: the disc that the legs are on, which only turns; `turn (F,)` is how far it did."""

    label: int
    names: tuple[str, ...]
    centre: complex
    radius: float
    turn: Places
    light: float

    def draw(self, canvas: Canvas, number: int) -> None:
        """Draws it with three dots between its legs."""
        canvas.capsule(self.centre, self.centre, self.radius, shaded(KNOB, 0.55 * self.light))
        canvas.capsule(self.centre, self.centre, 0.84 * self.radius, shaded(KNOB, self.light))
        for dot in self.centre + self.turn[number] * 0.5 * self.radius * np.exp(1j * (THIRDS + pi / LEGS)):
            canvas.capsule(dot, dot, 0.17 * self.radius, shaded((250, 226, 190), self.light))

    def covers(self, number: int, places: Places) -> NDArray[np.bool_]:
        """Returns which places are on the disc."""
        return np.abs(places - self.centre) <= self.radius

    def carried(self, first: int, second: int, places: Places) -> Places:
        """Returns where the disc carries places from one frame to another."""
        return self.centre + (places - self.centre) * np.conj(self.turn[first]) * self.turn[second]

    def points(self, number: int) -> Places:
        """Returns its centre, `(1,)`."""
        return np.array([self.centre])


def film(options: WorldOptions, index: int) -> LayeredFilm:
    """Makes a film of a triskelion, whose place, turn, girth and light are the video's own."""
    rng = seeded(options, index)
    centre = UNITS / 2 * (1 + 1j) + complex(*rng.uniform(-SHIFT, SHIFT, 2))
    heading, girth, light = (float(rng.uniform(low, high)) for low, high in ((0, 2 * pi), (0.85, 1.12), (0.8, 1.12)))
    space = new_space()
    bodies = _bodies(space, centre, heading)
    turn, shift = simulate(space, bodies, options.frames, options.steps, rng)
    return _drawn(options.size, centre, turn, shift, girth, light)


def at_rest(size: int, centre: complex, heading: float) -> LayeredFilm:
    """Returns a film of one frame, in which nothing has moved yet; `heading` is the hub's angle in radians."""
    bodies = _bodies(new_space(), centre, heading)
    turn = np.array([[np.exp(1j * body.angle) for body in bodies]])
    return _drawn(size, centre, turn, np.array([[complex(*body.position) for body in bodies]]), 1.0, 1.0)


THIRDS = 2 * pi * np.arange(LEGS) / LEGS


def _bodies(space: pymunk.Space, centre: complex, heading: float) -> list[pymunk.Body]:
    """Adds the hub, held at its centre, and the pieces of its legs, one leg after the other."""
    hub = pymunk.Body()
    hub.position, hub.angle = (centre.real, centre.imag), heading
    disc = pymunk.Circle(hub, HUB)
    disc.density, disc.filter = 1, pymunk.ShapeFilter(group=1)
    hold = pymunk.DampedRotarySpring(space.static_body, hub, -heading, 0.2 * STIFFNESS, 0.2 * STIFFNESS * RELAXED)
    space.add(hub, disc, pymunk.PivotJoint(space.static_body, hub, (centre.real, centre.imag), (0, 0)), hold)
    bodies = [hub]
    for third in THIRDS.tolist():
        below = hub
        for number in range(PIECES):
            root = number == 0
            joint = (0.5 * HUB * np.cos(third), 0.5 * HUB * np.sin(third)) if root else (PIECE, 0.0)
            rest = third if root else radians(BEND)
            below = _piece(space, below, joint, rest, number)
            bodies.append(below)
    return bodies


def _piece(
    space: pymunk.Space, below: pymunk.Body, joint: tuple[float, float], rest: float, number: int
) -> pymunk.Body:
    """Adds a piece of a leg to the piece or hub below it, as it is at rest."""
    body = pymunk.Body()
    body.angle, body.position = below.angle + rest, below.local_to_world(joint)
    shape = pymunk.Segment(body, (0, 0), (PIECE, 0), 3)
    shape.density, shape.filter = 1, pymunk.ShapeFilter(group=1)
    stiffness = STIFFNESS * (1 - number / PIECES) ** 2
    limit = radians(LIMIT)
    space.add(
        body,
        shape,
        pymunk.PivotJoint(below, body, joint, (0, 0)),
        pymunk.DampedRotarySpring(below, body, -rest, stiffness, stiffness * RELAXED),
        pymunk.RotaryLimitJoint(below, body, rest - limit, rest + limit),
    )
    return body


def _drawn(size: int, centre: complex, turn: Places, shift: Places, girth: float, light: float) -> LayeredFilm:
    """Puts skins over the bodies' poses, `(F, bodies)`; the hub is nearest to the eye."""
    legs = []
    for leg in range(LEGS):
        own = slice(1 + leg * PIECES, 1 + (leg + 1) * PIECES)
        end = shift[:, own.stop - 1] + PIECE * turn[:, own.stop - 1]
        skin = _skin(np.concatenate([shift[:, own], end[:, None]], axis=1), girth)
        names = tuple(f"leg_{leg + 1}_{place + 1}" for place in range(len(PLACES)))
        legs.append(Leg(2 + leg, names, in_pixels(skin, size), light))
    hub = Hub(1, ("hub",), complex(in_pixels(np.array(centre), size)), HUB * size / UNITS, turn[:, 0], light)
    return LayeredFilm(size, BACKGROUND, (*legs, hub))


def _skin(joints: Places, girth: float) -> Places:
    """The corners of the skin `(F, S, A)` over a smooth line through a leg's joints and its end `(F, PIECES + 1)`."""
    line = CubicSpline(np.linspace(0, 1, PIECES + 1), joints, axis=1, bc_type="natural")
    ahead = line(ALONG, 1)
    across = 1j * ahead / np.abs(ahead) * (girth * _half_width())
    return np.asarray(line(ALONG)[..., None] + across[..., None] * ACROSS)


def _half_width() -> NDArray[np.float64]:
    """Half the width of a leg at each station."""
    end = np.clip((ALONG - ROUND) / (1 - ROUND), 0, 1)
    return np.interp(ALONG, *WIDTHS) * np.sqrt(1 - end**2)


def _around(one: Places, other: Places) -> Places:
    """The corners of what lies between two lines."""
    return np.concatenate([one, other[::-1]])


def _triangles() -> NDArray[np.intp]:
    """The corners of each triangle of a skin, `(T, 3)`, as rows of it."""
    at = np.arange(len(ALONG) * len(ACROSS)).reshape(len(ALONG), len(ACROSS))
    a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]
    return np.concatenate([np.stack(three, -1).reshape(-1, 3) for three in ((a, b, c), (b, d, c))])


TRIANGLES = _triangles()
