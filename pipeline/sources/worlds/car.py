"""The world `car`: a car that turns about as its heading walks at random, its rear in another colour.

Thewlis et al., "Unsupervised object learning from video and images" (chapter 6: "Modelling and unsupervised learning of
symmetric deformable object categories", NeurIPS 2018, section 6.1): translation, pitch and roll are sinusoidal, the
mesh is symmetric from left to right, and the ground is plain.
"""

import numpy as np

from pipeline.sources.worlds.car_body import Car, build_car
from pipeline.sources.worlds.raster import Camera, Landmarks, Shot, SolidFilm
from pipeline.sources.worlds.vectors import looking, normalised, rotation
from pipeline.sources.worlds.world import WorldOptions

KNOT = 160  # ticks from one draw of the heading's speed to the next: 8 frames, where a frame is 20 ticks
SPEED, KEPT = 0.0028, 0.8  # deviation of that speed, radians a tick, and how much of it a knot keeps of the last one's
EYE = np.array([-8.2, 0.0, 3.0])  # metres
BACKDROP = (196, 200, 204)


def film(options: WorldOptions, index: int) -> SolidFilm:
    """Composes video `index`: its own way; the car is that of the seed."""
    car: Car = build_car(options.seed)
    marks = len(car.names)
    return SolidFilm(
        mesh=car.mesh,
        camera=Camera(options.size, 1.6 * options.size),
        shot=_Motion(np.random.default_rng([options.seed, index, 1]), options.frames, options.steps).shot,
        landmarks=Landmarks(car.names, car.places, np.zeros(marks, np.int32), np.full((marks, 1), -1, np.int32)),
        labels=np.array([1], np.uint8),
        backdrop=np.broadcast_to(np.array(BACKDROP, np.uint8), (options.size, options.size, 3)).copy(),
        texture=np.zeros((2, 2, 3), np.uint8),
        ambient=0.55,
    )


class _Motion:
    """Where the car of a video is: the speed of its heading is linear between knots, and remembers the one before."""

    def __init__(self, rng: np.random.Generator, frames: int, ticks: int) -> None:
        self._ticks = ticks
        self._phases = rng.uniform(0, 2 * np.pi, 5)
        self._periods = rng.uniform(500, 1500, 5)
        heading = rng.uniform(-np.pi, np.pi)
        draws = rng.standard_normal(frames * ticks // KNOT + 3)
        speeds = [SPEED * draws[0]]
        for draw in draws[1:]:
            speeds.append(KEPT * speeds[-1] + np.sqrt(1 - KEPT**2) * SPEED * draw)
        self._speeds = np.array(speeds)
        self._headings = heading + KNOT * np.cumsum([0, *(self._speeds[:-1] + self._speeds[1:]) / 2])

    def heading(self, number: int) -> float:
        """Returns the heading in a frame, radians; it does not wrap around."""
        knot, after = divmod(number * self._ticks, KNOT)
        speed, change = self._speeds[knot], self._speeds[knot + 1] - self._speeds[knot]
        return float(self._headings[knot] + after * speed + after**2 * change / (2 * KNOT))

    def shot(self, number: int) -> Shot:
        """Returns where the car is in a frame."""
        swing = np.sin(self._phases + 2 * np.pi * number * self._ticks / self._periods)
        tilt = rotation([1, 0, 0], 0.10 * float(swing[3])) @ rotation([0, 1, 0], 0.12 * float(swing[4]))
        turn, shift = looking(EYE, np.zeros(3))
        place = np.array([0.6, 0.3, 0.3]) * swing[:3] - np.array([0, 0, 0.7])
        light = turn @ normalised([-0.55, 0.0, 0.8])  # as symmetric as the car
        return Shot(
            (turn @ rotation([0, 0, 1], self.heading(number)) @ tilt)[None], (turn @ place + shift)[None], light
        )
