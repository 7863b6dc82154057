import pytest

from common_fate.errors import UserError
from tests.support.pointed_view import POINTS, make_pointed_view
from tests.trainers.evaluations.named_points.jobs import job_of, know_coordinates
from trainers.evaluations.centres import run as centres
from trainers.evaluations.result import Row


def test_points_are_found_by_a_vector_each(tmp_path, monkeypatch):
    view = make_pointed_view(tmp_path / "results/arm/shards/objects", hidden=[(1, name) for name in POINTS])
    know_coordinates(monkeypatch, centres)
    result = centres.run(job_of("centres", [view], memory_gb=1e-9))
    learnt, means, *each = result.rows
    assert (learnt.metric, means.metric) == ("error", "error of mean vectors")
    assert means.value < 100 / 40, "a pixel"
    assert means.value < means.baselines["mean place"]
    assert [row.subset for row in each] == list(POINTS)
    assert "there was no room in memory_gb" in result.note
    assert result.about["images"] == 1
    assert len(result.pictures) == 1
    whole = centres.run(job_of("centres", [view], pictured=0))
    assert whole.rows[0].value < 3
    assert whole.rows[0].baselines["mean place"] > 3
    assert sum(row.value for row in whole.rows[2:]) / 3 == pytest.approx(whole.rows[0].value)


def test_what_no_label_shows_does_not_count(tmp_path, monkeypatch):
    hidden = [(video, "nose") for video in range(8)]
    labels = make_pointed_view(tmp_path / "results/labels/shards/objects", hidden=hidden)
    shown = make_pointed_view(tmp_path / "results/shown/shards/objects")
    know_coordinates(monkeypatch, centres)
    result = centres.run(job_of("centres", [labels, shown], share=0, labels_from=["labels"], pictured=0))
    assert [row.value is None for row in result.rows[2:]] == [False, False, True]
    assert sum(row.value for row in result.rows[2:4]) / 2 == pytest.approx(result.rows[0].value)
    assert "Visible in no image to learn from, and not counted: nose." in result.note


def test_errors_are_shares_of_the_width():
    """Two points in one image, one in another: a mean over points."""
    errors = {name: [(0, 0.1), (1, 0.2), (0, 0.6)] for name in ("error", "error of mean vectors", "mean place")}
    rows = centres.rows_of("arm", ("a", "b"), errors, 2)
    assert rows[0] == Row("arm", "error", pytest.approx(30), "%", "lower", 2, "", {"mean place": pytest.approx(30)})
    assert [row.value for row in rows[2:]] == [pytest.approx(35), pytest.approx(20)]


def test_without_labels_there_is_nothing_to_learn(tmp_path, monkeypatch):
    hidden = [(video, name) for video in range(8) for name in POINTS]
    view = make_pointed_view(tmp_path / "results/arm/shards/objects", hidden=hidden)
    know_coordinates(monkeypatch, centres)
    with pytest.raises(UserError, match="arm: no image to learn from has a visible point"):
        centres.run(job_of("centres", [view]))
