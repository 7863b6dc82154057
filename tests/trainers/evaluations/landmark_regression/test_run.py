import json

import pytest
import torch
from typer.testing import CliRunner

from common_fate.errors import UserError
from tests.support.pointed_view import POINTS, Coordinates, Finder, make_pointed_view
from tests.trainers.evaluations.named_points.jobs import job_of, know_coordinates
from trainers.cli import app
from trainers.evaluations.landmark_regression import run as regression
from trainers.evaluations.landmark_regression.evaluation import LandmarkRegressionOptions
from trainers.evaluations.landmark_regression.virtual import VirtualPoints, fit_virtual
from trainers.evaluations.result import read_result


def values(result) -> dict[tuple[str, str], float]:
    return {(row.metric, row.subset): row.value for row in result.rows}


def test_landmarks_are_told_from_points_that_move_with_the_object(tmp_path, monkeypatch):
    view = make_pointed_view(tmp_path / "results/faces/shards/objects", videos=24, hidden=[(0, "left_eye")])
    monkeypatch.setattr(regression, "load_start_model", lambda job: (Finder(), job.method_options))
    job = job_of("landmark_regression", [view], method="landmarks", labels=[1, 5, 400], ridge=1e-8)
    result = regression.run(job)
    measured = values(result)
    assert list(measured)[:3] == [("regressed", ""), ("regressed", "5 labels"), ("regressed", "1 label")]
    assert measured[("regressed", "")] < 4, "half a pixel of 14"
    assert measured[("regressed", "")] < measured[("regressed", "1 label")]
    still = result.rows[0].baselines["mean place"]
    assert 10 < still < 40
    assert {subset for _, subset in measured} >= set(POINTS)
    assert "There are no 400 labelled images" in result.note
    assert result.about["measured"]["faces"]["deviations"]["regressed"]["5"] > 0
    assert [picture.name for picture in result.pictures] == ["landmarks, faces", "found, faces"]
    assert regression.run(job).rows == result.rows


def test_what_no_label_shows_does_not_count(tmp_path, monkeypatch):
    hidden = [(video, "nose") for video in range(8)]
    labels = make_pointed_view(tmp_path / "results/labels/shards/objects", hidden=hidden)
    shown = make_pointed_view(tmp_path / "results/shown/shards/objects")
    monkeypatch.setattr(regression, "load_start_model", lambda job: (Finder(), job.method_options))
    options = {"labels": [], "pictured": 0, "labels_from": ["labels"], "ridge": 1e-8}
    job = job_of("landmark_regression", [labels, shown], method="landmarks", share=0, **options)
    measured = values(regression.run(job))
    assert measured[("regressed", "nose")] is None
    eyes = [measured[("regressed", name)] for name in ("left_eye", "right_eye")]
    assert measured[("regressed", "")] == pytest.approx(sum(eyes) / 2)


def test_landmarks_are_told_from_an_embedding(tmp_path, monkeypatch):
    view = make_pointed_view(tmp_path / "results/faces/shards/objects", videos=16)
    know_coordinates(monkeypatch, regression)
    job = job_of("landmark_regression", [view], labels=[2], seeds=1, virtual_points=10, iterations=20, pictured=2)
    result = regression.run(job)
    measured = values(result)
    assert measured[("nearest", "")] < 100 / 14, "a pixel"
    assert measured[("nearest", "2 labels")] < 100 / 14
    assert measured[("regressed", "")] < result.rows[0].baselines["mean place"] / 2


def test_errors_are_shares_of_what_is_asked_for(tmp_path, monkeypatch):
    """Of the distance between the eyes, 14 px, or of the width, 40 px; faces without both eyes are counted."""
    hidden = [(video, "left_eye") for video in range(0, 24, 2)]
    view = make_pointed_view(tmp_path / "results/faces/shards/objects", videos=24, hidden=hidden)
    monkeypatch.setattr(regression, "load_start_model", lambda job: (Finder(), job.method_options))

    def measured(**options):
        job = job_of("landmark_regression", [view], method="landmarks", labels=[], pictured=0, share=0, **options)
        return regression.run(job)

    eyes, width = measured(), measured(normalize="width")
    assert eyes.rows[0].samples < width.rows[0].samples
    without = eyes.about["measured"]["faces"]["counts"]["without both eyes"]
    assert without == width.rows[0].samples - eyes.rows[0].samples > 0
    assert f"faces: left out were images: {without} without both eyes" in eyes.note
    other = measured(eyes=["right_eye", "nose"])
    assert other.rows[0].samples == width.rows[0].samples
    with pytest.raises(UserError, match="faces: has no points ear and nose, whose distance errors are shares of"):
        measured(eyes=["ear", "nose"])


def test_no_face_with_both_eyes_is_said(tmp_path, monkeypatch):
    hidden = [(video, "right_eye") for video in range(8)]
    view = make_pointed_view(tmp_path / "results/faces/shards/objects", hidden=hidden)
    monkeypatch.setattr(regression, "load_start_model", lambda job: (Finder(), job.method_options))
    with pytest.raises(
        UserError, match=r"faces: none of \d images can be measured: 0 without landmarks; \d without both"
    ):
        regression.run(job_of("landmark_regression", [view], method="landmarks"))


def test_through_the_front_door_from_random_weights(tmp_path):
    view = make_pointed_view(tmp_path / "results/faces/shards/objects")
    to = tmp_path / "landmark_regression/scratch.json"
    of = {"model": {"landmarks": 5}, "transforms": {"shorter_side": None, "crop": 40}}
    words = ["evaluate", "landmark_regression", view, "--method", "landmarks", "--method-options", json.dumps(of)]
    more = ["--start", "scratch", "--side", "all", "--workers", "0", "--threads", "1", "--to", to]
    outcome = CliRunner().invoke(app, [*map(str, [*words, *more])])
    if outcome.exception:
        raise outcome.exception
    assert read_result(to).result.rows[0].metric == "regressed"


def test_a_virtual_point_is_where_the_embedding_is_like_it():
    """A filter that is the vector of one cell, and a regressor that passes the first point on."""
    image = torch.rand(3, 6, 8)
    image[:2] = torch.stack(torch.meshgrid(torch.arange(6) / 6, torch.arange(8) / 8, indexing="ij"))
    field = Coordinates()(image[None])
    filters = field[0, :, [2, 4], [5, 1]].T[None]
    weights = torch.zeros(1, 4, 2)
    weights[0, 0, 0] = weights[0, 1, 1] = 1
    net = VirtualPoints(filters, weights, 1e6)
    expected = torch.tensor([[2.5 / 6, 5.5 / 8], [4.5 / 6, 1.5 / 8]])
    torch.testing.assert_close(net.points(field)[0, 0], expected)
    torch.testing.assert_close(net(field)[0, 0], expected[0])


def test_landmarks_are_learnt_apart_where_there_is_no_room_for_all(monkeypatch):
    """One at a time, and each still gets what it wants."""
    torch.manual_seed(0)
    fields = [torch.nn.functional.normalize(torch.randn(4, 6, 6), dim=0) for _ in range(6)]
    places, visible = torch.rand(6, 3, 2), torch.ones(6, 3, dtype=torch.bool)
    options = LandmarkRegressionOptions(virtual_points=4, iterations=5, batch_size=3)
    monkeypatch.setattr("trainers.evaluations.landmark_regression.virtual.CELLS_AT_ONCE", 1)
    apart = fit_virtual(fields, places, visible, options, 0)
    assert apart.filters.shape == (3, 4, 4)
    alone = fit_virtual(fields, places[:, :1], visible[:, :1], options, 0)
    torch.testing.assert_close(apart.filters[:1], alone.filters)


def test_labels_are_drawn_a_bounded_number_of_times():
    assert LandmarkRegressionOptions(seeds=100).seeds == 100
    with pytest.raises(ValueError, match="seeds is 101: at most 100"):
        LandmarkRegressionOptions(seeds=101)


def test_both_eyes_are_two_points():
    with pytest.raises(ValueError, match="eyes are both 'nose': should be two points"):
        LandmarkRegressionOptions(eyes=("nose", "nose"))
