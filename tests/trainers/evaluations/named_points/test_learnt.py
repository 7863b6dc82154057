"""Vectors that are learnt against SciPy's minimum of the same sum."""

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp

from trainers.evaluations.named_points.learnt import Labelled, learnt_vectors, mean_vectors


def images() -> Labelled:
    rng = np.random.default_rng(0)
    made = Labelled()
    for number in range(3):
        field = torch.from_numpy(rng.normal(size=(2, 4, 5)).astype(np.float16))
        made.fields.append(field)
        made.at.append(field.float()[:, [1, 2], [3, 0]].T)
        made.places.append(torch.tensor([[1.0, 3.0], [2.0, 0.0]]))
        made.visible.append(torch.tensor([True, number > 0]))
    return made


def test_the_mean_is_over_the_images_where_a_point_is_visible():
    made = images()
    means = mean_vectors(made)
    torch.testing.assert_close(means[0], sum(at[0] for at in made.at) / 3)
    torch.testing.assert_close(means[1], (made.at[1][1] + made.at[2][1]) / 2)


def test_learnt_vectors_make_their_places_most_probable():
    made = images()
    found = learnt_vectors(made, 200).numpy()
    for point in range(2):

        def loss(z: np.ndarray, point: int = point) -> float:
            terms = [
                logsumexp(z @ field.float().flatten(1).numpy()) - z @ at[point].numpy()
                for field, at, visible in zip(made.fields, made.at, made.visible, strict=True)
                if visible[point]
            ]
            return float(np.sum(terms)) / 5 + 1e-6 * float(z @ z)

        best = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-12})
        np.testing.assert_allclose(found[point], best.x, atol=2e-3)
        assert loss(found[point]) < loss(mean_vectors(made).numpy()[point])
