import numpy as np

from trainers.evaluations.named_points.pictures import EMPTY, SPHERE, label_colours, on_sphere, with_plane


def test_pixels_lie_on_the_sphere_where_their_vectors_point():
    """One ahead, along the first axis, and one at the pole; lengths do not count."""
    vectors = np.array([[[5.0, 0, 0], [0, 0, 0.1]]])
    picture = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
    sphere = on_sphere(picture, vectors)
    assert (sphere[SPHERE[0] // 2, SPHERE[1] // 2] == (255, 0, 0)).all()
    assert (sphere[0, SPHERE[1] // 2] == (0, 0, 255)).all()
    assert (sphere.reshape(-1, 3) == EMPTY).all(axis=1).sum() == SPHERE[0] * SPHERE[1] - 2


def test_the_plane_is_drawn_where_the_first_axis_changes_sign():
    axis = np.repeat(np.arange(12.0)[None] - 5.5, 8, axis=0)
    drawn = with_plane(np.zeros((8, 12, 3), np.uint8), axis)
    columns = np.flatnonzero(drawn[:, :, 1].any(axis=0)) / drawn.shape[1] * 12
    assert abs(columns.mean() - 6) < 0.1
    assert np.ptp(columns) < 0.5


def test_directions_are_colours_whatever_the_length():
    (one, other) = label_colours([np.array([[[1.0, 0, 0]]]), np.array([[[9.0, 0, 0]]])])
    assert one.tolist() == other.tolist() == [[[255, 128, 128]]]
    coloured = label_colours([np.random.default_rng(0).normal(size=(5, 6, 7))])
    assert coloured[0].shape == (5, 6, 3)
