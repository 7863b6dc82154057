import json

import pytest
from typer.testing import CliRunner

from common_fate.errors import UserError
from tests.support.pointed_view import make_pointed_view
from tests.trainers.evaluations.named_points.jobs import job_of, know_coordinates
from trainers.cli import app
from trainers.evaluations.matching import run as matching
from trainers.evaluations.result import read_result


def test_an_embedding_that_is_the_coordinate_matches_without_fail(tmp_path, monkeypatch):
    """With a margin, so that nothing but the object is seen: of 40 pixels 28 are."""
    view = make_pointed_view(
        tmp_path / "results/faces/shards/objects", hidden=[(2, "nose"), (3, "nose"), (3, "left_eye")]
    )
    know_coordinates(monkeypatch, matching)
    result = matching.run(job_of("matching", [view], method="landmarks", share=0, margin=6))
    rows = {row.metric: row for row in result.rows}
    assert list(rows) == ["different, at 70 px", "different", "warped, at 70 px", "warped"]
    for row in result.rows:
        assert row.value < (1.0 if row.metric in ("different", "warped") else 70 / 28)
        assert row.baselines["same place"] > 1.5 * row.value
    for kind in ("different", "warped"):
        assert rows[f"{kind}, at 70 px"].value == pytest.approx(rows[kind].value * 70 / 28)
    assert (rows["different"].samples, rows["warped"].samples) == (6, 7)
    assert result.about["counts"]["faces"]["of fewer than two visible points"] == 1
    assert "faces: 7 images; 1 with fewer than two visible points were left out" in result.note
    assert [picture.name for picture in result.pictures] == ["matches, faces", "labels, faces"]


def test_only_so_many_pairs_and_of_other_videos(tmp_path, monkeypatch):
    """Two frames each of two videos: never one frame with the other of its own video."""
    view = make_pointed_view(tmp_path / "results/faces/shards/objects", videos=2, frames=4)
    know_coordinates(monkeypatch, matching)
    pairs = []
    monkeypatch.setattr(matching, "_match", lambda one, other, *_: pairs.append((one.video, other.video)))
    matching.run(job_of("matching", [view], share=0, pictured=0))
    assert pairs
    assert all(one != other for one, other in pairs)
    result = matching.run(job_of("matching", [view], share=0, pictured=0, pairs=3))
    assert result.about["counts"]["faces"]["images"] == 3


def test_through_the_front_door_from_random_weights(tmp_path):
    view = make_pointed_view(tmp_path / "results/faces/shards/objects")
    to = tmp_path / "matching/scratch.json"
    of = {"model": {"encoder": "resnet18"}, "transforms": {"shorter_side": None, "crop": 40}}
    words = ["evaluate", "matching", view, "--method", "grouping", "--method-options", json.dumps(of), "--to", to]
    more = ["--start", "scratch", "--side", "all", "--workers", "0", "--threads", "1", "--options", '{"pictured": 2}']
    outcome = CliRunner().invoke(app, [*map(str, words), *more])
    if outcome.exception:
        raise outcome.exception
    measured = read_result(to)
    assert measured.result.rows[1].value > 3, "chance"


def test_one_image_alone_is_refused(tmp_path, monkeypatch):
    view = make_pointed_view(tmp_path / "results/one/shards/objects", videos=1)
    know_coordinates(monkeypatch, matching)
    with pytest.raises(UserError, match="one: 1 of 1 images has two visible points of 3: matching needs two"):
        matching.run(job_of("matching", [view], share=0))
