"""The robot's arm against MuJoCo's own word, and its room."""

import sys
from dataclasses import replace
from unittest import mock

import mujoco
import numpy as np
import pytest

from common_fate.errors import UserError
from pipeline.sources.worlds import robot
from pipeline.sources.worlds.robot import DESCRIPTION, film, simulate
from pipeline.sources.worlds.world import WorldOptions

SIZE, FOCAL = 90, 1.6 * 90
OPTIONS = WorldOptions(world="robot", size=SIZE, frames=100)


def test_points_are_where_mujoco_has_the_bodies():
    of = film(OPTIONS, 2)
    simulation = simulate(np.random.default_rng([0, 2, 1]), 100, 20)
    model = mujoco.MjModel.from_xml_path(str(DESCRIPTION))
    assert of.points(0).names == tuple(model.joint(joint).name for joint in range(model.njnt))
    for number in (0, 17, 99):
        shot, bodies = of.shot(number), model.jnt_bodyid
        # A hinge is at the origin of its body, a finger's tip at the far end of it.
        offset = np.array([[0, 0, 0]] * 6 + [[0, 0, 0.13]] * 2)
        there = simulation.shifts[number, bodies] + np.einsum("nij,nj->ni", simulation.turns[number, bodies], offset)
        there = there @ shot.turns[0].T + shot.shifts[0]  # the room itself is body 0
        rows = of.points(number).rows
        np.testing.assert_allclose(rows[:, 1], FOCAL * there[:, 0] / there[:, 2] + (SIZE - 1) / 2, atol=1e-3)
        np.testing.assert_allclose(rows[:, 0], FOCAL * there[:, 1] / there[:, 2] + (SIZE - 1) / 2, atol=1e-3)


def test_poses_are_those_of_a_model_that_is_set_to_the_same_joints():
    """The kinematics of a frame, from the angles between its bodies."""
    simulation = simulate(np.random.default_rng(3), 30, 20)
    model = mujoco.MjModel.from_xml_path(str(DESCRIPTION))
    data = mujoco.MjData(model)
    for number in (0, 29):
        turns, shifts = simulation.turns[number], simulation.shifts[number]
        for joint in range(6):
            body, axis = model.jnt_bodyid[joint], model.jnt_axis[joint]
            relative = turns[model.body_parentid[body]].T @ turns[body]
            sine = np.array([relative[2, 1] - relative[1, 2], relative[0, 2] - relative[2, 0]])
            sine = np.append(sine, relative[1, 0] - relative[0, 1]) @ axis / 2
            data.qpos[joint] = np.arctan2(sine, (np.trace(relative) - 1) / 2)
        for joint in (6, 7):
            body = model.jnt_bodyid[joint]
            offset = turns[model.body_parentid[body]].T @ (shifts[body] - shifts[model.body_parentid[body]])
            data.qpos[joint] = (offset - model.body_pos[body]) @ model.jnt_axis[joint]
        mujoco.mj_forward(model, data)
        np.testing.assert_allclose(data.xpos, shifts, atol=1e-9)
        np.testing.assert_allclose(data.xmat.reshape(-1, 3, 3), turns, atol=1e-9)


def test_the_arm_moves_all_its_joints_and_stays_above_the_floor():
    for seed in range(4):
        simulation = simulate(np.random.default_rng(seed), 200, 20)
        relative = np.diff(simulation.turns, axis=0)
        assert (np.abs(relative).max(axis=(0, 2, 3))[2:] > 0.01).all()
        assert not relative[:, :2].any()  # the room and the pedestal
        assert simulation.shifts[:, 2:, 2].min() > 0
        speed = np.linalg.norm(np.diff(simulation.shifts, axis=0), axis=-1)
        assert speed[:, -1].mean() > 0.002
        assert speed.max() < 0.25  # metres a frame


def test_no_ray_leaves_the_room():
    """What is behind everything would be seen through a gap, or where a face near the camera is left out."""
    magenta = np.full((SIZE, SIZE, 3), (255, 0, 255), np.uint8)
    for index in range(4):
        of = film(OPTIONS, index)
        for number in (0, 50, 99):
            np.testing.assert_array_equal(of.image(number), replace(of, backdrop=magenta).image(number))


def test_bodies_are_objects_and_the_room_is_the_background():
    seen: set[int] = set()
    for index in range(3):
        of = film(OPTIONS, index)
        for number in range(0, 100, 20):
            objects = of.truth(number, number).objects
            assert objects is not None
            assert 0.5 < (objects == 0).mean() < 0.97
            seen |= set(np.unique(objects).tolist())
    assert seen == set(range(mujoco.MjModel.from_xml_path(str(DESCRIPTION)).nbody))


def test_the_camera_moves_the_background():
    known = film(OPTIONS, 1).truth(4, 5)
    background = np.hypot(*known.flow)[known.objects == 0]
    assert (background > 0).all()
    assert np.ptp(background) > 0.5


def test_without_mujoco_it_says_what_to_do():
    robot._mujoco.cache_clear()
    robot._model.cache_clear()
    with mock.patch.dict(sys.modules, {"mujoco": None}), pytest.raises(UserError, match=r"needs MuJoCo.*make setup"):
        film(OPTIONS, 0)
