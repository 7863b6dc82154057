import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from common_fate.errors import UserError
from tests.support.pointed_view import Coordinates, make_pointed_view
from tests.trainers.evaluations.named_points.jobs import job_of, know_coordinates
from trainers.evaluations.centres import run as centres
from trainers.evaluations.landmark_regression import run as landmark_regression
from trainers.evaluations.matching import run as matching
from trainers.evaluations.named_points.vectors import Vectors
from trainers.evaluations.symmetry import run as symmetry


class Turned(Coordinates):
    """The same, turned, so that no axis is that of symmetry."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        turn = torch.linalg.qr(torch.from_numpy(np.random.default_rng(0).normal(size=(3, 3))))[0].float()
        return torch.einsum("ij,bjhw->bihw", turn, super().forward(images))


def test_the_mirrored_left_is_found_at_the_right(tmp_path, monkeypatch):
    view = make_pointed_view(tmp_path / "results/faces/shards/objects", hidden=[(v, "left_eye") for v in (0, 1)])
    know_coordinates(monkeypatch, symmetry)
    result = symmetry.run(job_of("symmetry", [view]))
    rows = {row.metric: row for row in result.rows if not row.subset}
    assert list(rows) == ["first axis, at 70 px", "first axis", "estimated plane, at 70 px", "estimated plane"]
    for name in ("first axis", "estimated plane"):
        assert rows[name].value < 1.5
        assert rows[name].baselines["not mirrored"] == pytest.approx(14, abs=1)
    assert {row.subset for row in result.rows} == {"", "eye"}
    assert abs(result.about["plane"][0]) > 0.99


def test_of_an_embedding_without_symmetry_the_plane_is_estimated(tmp_path, monkeypatch):
    view = make_pointed_view(tmp_path / "results/faces/shards/objects")
    monkeypatch.setattr(symmetry, "load_vectors", lambda *_: Vectors(Turned(), 1, 0.0))
    rows = {
        row.metric: row.value for row in symmetry.run(job_of("symmetry", [view], pictured=0)).rows if not row.subset
    }
    assert rows["estimated plane"] < 1.5
    assert rows["first axis"] > 5


def test_the_plane_is_the_one_that_fits_best():
    left, right = (torch.from_numpy(np.random.default_rng(seed).normal(size=(9, 3))).float() for seed in (0, 1))
    normal = symmetry.reflection_normal(left, right)
    assert normal.norm().item() == pytest.approx(1)

    def apart(of: np.ndarray) -> float:
        unit = torch.from_numpy(of / np.linalg.norm(of)).float()
        return float((symmetry.reflected(left, unit) - right).square().sum())

    best = min(minimize(apart, start, method="Nelder-Mead").fun for start in np.eye(3))
    assert apart(normal.numpy()) == pytest.approx(best, rel=1e-4)


def test_names_without_sides_are_refused(tmp_path, monkeypatch):
    view = make_pointed_view(tmp_path / "results/arm/shards/objects", names=("hand", "left_elbow"))
    know_coordinates(monkeypatch, symmetry)
    with pytest.raises(UserError, match=r"no two of its points are called left and right \(hand, left_elbow\)"):
        symmetry.run(job_of("symmetry", [view]))


class Diverged(Coordinates):
    """An embedding of which one vector is not finite."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = super().forward(images)
        found[..., 3, 3] = torch.nan
        return found


@pytest.mark.parametrize("module", [symmetry, centres, matching, landmark_regression])
def test_vectors_that_are_not_finite_are_told_in_a_line(tmp_path, monkeypatch, module):
    view = make_pointed_view(tmp_path / "results/faces/shards/objects")
    monkeypatch.setattr(module, "load_vectors", lambda *_: Vectors(Diverged(), 1, 0.0))
    with pytest.raises(UserError, match=r"^the network gives vectors that are not finite: it cannot be measured"):
        module.run(job_of(module.__name__.split(".")[-2], [view]))
