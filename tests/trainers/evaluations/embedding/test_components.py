import numpy as np
import pytest

from trainers.evaluations.embedding.components import coloured, fit


def several(channels=6):
    """Three images whose channels vary unlike each other."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(channels, channels)) * np.arange(1, channels + 1)
    return [(rng.normal(size=(h, w, channels)) @ mixed + 5).astype(np.float32) for h, w in ((7, 9), (4, 3), (1, 20))]


def test_components_are_those_of_all_images_together():
    images = several()
    rows = np.concatenate([image.reshape(-1, 6) for image in images]).astype(np.float64)
    centred = rows - rows.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    fitted = fit(iter(images))
    np.testing.assert_allclose(fitted.variances, singular**2 / len(rows), rtol=1e-6)
    for axis, expected in zip(fitted.axes, axes, strict=True):
        largest = np.argmax(abs(expected))
        np.testing.assert_allclose(axis, expected * np.sign(expected[largest]), atol=1e-6)
    projected = np.concatenate([fitted.projected(image).reshape(-1, 3) for image in images])
    np.testing.assert_allclose(projected.var(axis=0), fitted.variances[:3], rtol=1e-6)
    assert fitted.shares.sum() == pytest.approx(1)


def test_colours_mean_the_same_in_all_images():
    one, other, third = several()
    other[0, 0] = one[3, 4]
    fitted = fit([one, other, third])
    colours = coloured([fitted.projected(image) for image in (one, other, third)])
    assert [each.shape for each in colours] == [(7, 9, 3), (4, 3, 3), (1, 20, 3)]
    assert (colours[0][3, 4] == colours[1][0, 0]).all()
    together = np.concatenate([each.reshape(-1, 3) for each in colours])
    assert (together.min(axis=0) == 0).all()
    assert (together.max(axis=0) == 255).all()


@pytest.mark.parametrize("directions", [1, 2, 5])
def test_the_effective_rank_is_the_number_of_directions_that_vary_alike(directions):
    features = np.zeros((2, directions, 5), np.float32)
    features[0, range(directions), range(directions)] = 1
    features[1, range(directions), range(directions)] = -1
    assert fit([features]).effective_rank == pytest.approx(directions)


def test_what_does_not_vary_is_grey_and_has_no_rank():
    same = [np.full((3, 4, 2), 0.5, np.float32)]
    fitted = fit(same)
    assert fitted.effective_rank is fitted.shares is None
    assert (coloured([fitted.projected(same[0])])[0] == 128).all()
