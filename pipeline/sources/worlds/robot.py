"""The world `robot`: an arm of six joints and a gripper in a room, before a camera that moves.

MuJoCo (Todorov et al., "MuJoCo: A physics engine for model-based control", IROS 2012) moves the arm of `robot.xml`:
motors pull its joints to places that change, and it bumps into itself, the floor and what stands there. It draws
nothing here, so that neither a display nor OpenGL is needed.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError
from pipeline.sources.worlds.meshes import Mesh, box, capsule, cylinder, ellipsoid, joined, painted, placed
from pipeline.sources.worlds.raster import Camera, Landmarks, Shot, SolidFilm
from pipeline.sources.worlds.room import build_room
from pipeline.sources.worlds.vectors import Vectors, looking, normalised
from pipeline.sources.worlds.world import WorldOptions

DESCRIPTION = Path(__file__).with_name("robot.xml")
KNOT = 400  # ticks from one draw of where the joints are to be to the next
REFRESH = 10  # ticks from one command of the motors to the next
TARGET = np.array([0.0, 0.0, 0.78])  # metres, what the camera looks at
LIGHT = normalised([0.3, -0.5, 1.0])


@dataclass(frozen=True)
class Simulation:
    """Where the bodies are in the room in each frame: `turns (N, bodies, 3, 3)` and `shifts (N, bodies, 3)`, metres."""

    turns: Vectors
    shifts: Vectors


def film(options: WorldOptions, index: int) -> SolidFilm:
    """Composes video `index` of a simulation; the room is that of the seed. Raises `UserError` without MuJoCo."""
    model = _model()
    room, texture = build_room(options.seed)
    simulation = simulate(np.random.default_rng([options.seed, index, 1]), options.frames, options.steps)
    orbit = _Orbit(np.random.default_rng([options.seed, index, 2]), options.steps)

    def shot(number: int) -> Shot:
        turn, shift = orbit.pose(number)
        shifts = simulation.shifts[number] @ turn.T + shift
        return Shot(np.ascontiguousarray(turn @ simulation.turns[number]), shifts, turn @ LIGHT)

    return SolidFilm(
        mesh=joined([room, *_geoms(model)]),
        camera=Camera(options.size, 1.6 * options.size),
        shot=shot,
        landmarks=_joints(model),
        labels=np.arange(model.nbody, dtype=np.uint8),
        backdrop=np.zeros((options.size, options.size, 3), np.uint8),
        texture=texture,
        ambient=0.6,
    )


def simulate(rng: np.random.Generator, frames: int, ticks: int) -> Simulation:
    """Runs the arm: `ticks` of 2 ms from a frame to the next. A longer simulation begins as a shorter one."""
    mujoco, model = _mujoco(), _model()
    data = mujoco.MjData(model)
    low, high = model.actuator_ctrlrange.T

    def drawn() -> Vectors:
        return np.asarray(low + (high - low) * rng.uniform(0, 1, model.nu))

    before, after = drawn(), drawn()
    data.qpos[:] = before
    mujoco.mj_forward(model, data)
    made, tick = [], 0
    for number in range(frames):
        while tick < number * ticks:
            if tick % KNOT == 0 and tick > 0:
                before, after = after, drawn()
            if tick % REFRESH == 0:
                share = tick % KNOT / KNOT
                data.ctrl[:] = before + (after - before) * share**2 * (3 - 2 * share)
            until = min(tick - tick % REFRESH + REFRESH, number * ticks)
            mujoco.mj_step(model, data, nstep=until - tick)
            tick = until
        mujoco.mj_kinematics(model, data)  # a step leaves the bodies where they were before it
        made.append((data.xmat.reshape(-1, 3, 3).copy(), data.xpos.copy()))
    turns, shifts = (np.stack(of) for of in zip(*made, strict=True))
    return Simulation(turns, shifts)


@cache
def _mujoco() -> Any:
    """MuJoCo, imported without its own drawing: it then looks for no display and no OpenGL."""
    chosen = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disable"
    try:
        return import_module("mujoco")
    except (ImportError, OSError) as error:
        raise UserError(f"the world robot needs MuJoCo, which cannot be imported ({error}): make setup") from None
    finally:
        if chosen is None:
            del os.environ["MUJOCO_GL"]
        else:
            os.environ["MUJOCO_GL"] = chosen


@cache
def _model() -> Any:
    return _mujoco().MjModel.from_xml_path(str(DESCRIPTION))


def _geoms(model: Any) -> list[Mesh]:
    """The shapes of the arm and of what stands about, each a part of its body; the floor is the room's."""
    mujoco = _mujoco()
    shapes: dict[int, Callable[[NDArray[np.float64]], Mesh]] = {
        mujoco.mjtGeom.mjGEOM_BOX: lambda size: box(size, 0.15 * size.min()),
        mujoco.mjtGeom.mjGEOM_CYLINDER: lambda size: cylinder(size[0], size[1], bevel=0.12 * size.min()),
        mujoco.mjtGeom.mjGEOM_CAPSULE: lambda size: capsule(size[0], size[1]),
        mujoco.mjtGeom.mjGEOM_ELLIPSOID: ellipsoid,
    }
    made = []
    for geom in range(model.ngeom):
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE:
            continue
        turn = np.empty(9)
        mujoco.mju_quat2Mat(turn, model.geom_quat[geom])
        shape = painted(
            shapes[int(model.geom_type[geom])](model.geom_size[geom]), 255 * model.geom_rgba[geom, :3], 0.15
        )
        made.append(placed(shape, model.geom_pos[geom], turn.reshape(3, 3), int(model.geom_bodyid[geom])))
    return made


def _joints(model: Any) -> Landmarks:
    """The joints. They lie within the two bodies that they join, which do not hide them."""
    names = tuple(model.joint(joint).name for joint in range(model.njnt))
    bodies = model.jnt_bodyid.astype(np.int32)
    within = np.stack([bodies, model.body_parentid[bodies]], 1).astype(np.int32)
    return Landmarks(names, model.jnt_pos.copy(), bodies, within)


class _Orbit:
    """The way of a video's camera: to and fro about the arm, nearer and farther, all as sines of time."""

    def __init__(self, rng: np.random.Generator, ticks: int) -> None:
        self._ticks = ticks
        self._phases = rng.uniform(0, 2 * np.pi, 4)
        self._periods = rng.uniform(1200, 3000, 4)
        self._middle = np.array([rng.uniform(-np.pi, np.pi), rng.uniform(0.3, 0.45), 3.1, 0.0])
        self._reach = np.array([rng.uniform(0.3, 0.6), 0.12, 0.3, 0.06])

    def pose(self, number: int) -> tuple[Vectors, Vectors]:
        """Returns the rotation and the shift from the room to the camera in a frame."""
        swing = np.sin(self._phases + 2 * np.pi * number * self._ticks / self._periods)
        around, up, far, aside = self._middle + self._reach * swing
        way = np.array([np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up)])
        return looking(TARGET + far * way, TARGET + np.array([0, 0, aside]))
