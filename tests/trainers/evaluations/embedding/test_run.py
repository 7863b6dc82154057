"""Pictures of features by their command, on a small view."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from common_fate.errors import UserError
from tests.support.small_view import make_view
from trainers.cli import app
from trainers.evaluations.embedding.run import enlarged
from trainers.evaluations.result import read_result

ENCODER = ("--method-options", '{"model": {"encoder": "resnet18"}}')


def run(to, *words, method="cmp", of=ENCODER, **options):
    more = ("--method", method, *of, "--start", "scratch", "--workers", "0", "--threads", "1")
    outcome = CliRunner().invoke(
        app, ["evaluate", "embedding", *map(str, words), "--to", str(to), "--options", json.dumps(options), *more]
    )
    if outcome.exception:
        raise outcome.exception
    return read_result(to)


def test_features_are_drawn_and_their_rank_is_measured(tmp_path):
    view = make_view(tmp_path / "results/made/shards/cmp")
    measured = run(tmp_path / "first/a.json", view.folder, "--side", "all", pictured=3, stride=4)
    (row,) = measured.result.rows
    assert (row.dataset, row.metric, row.samples) == ("made", "effective rank", 3)
    assert 1 < row.value < 64
    assert measured.result.about["channels"] == 64
    (picture,) = measured.result.pictures
    shares = measured.result.about["variance_explained"]
    assert f"They have {100 * sum(shares):.0f} % of the variance" in picture.caption
    drawn = np.asarray(Image.open(io.BytesIO(picture.png)))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 100
    assert run(tmp_path / "again/a.json", view.folder, "--side", "all", pictured=3, stride=4).result == measured.result


def test_each_pixel_has_the_colour_of_the_feature_that_lies_nearest():
    colours = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    drawn = enlarged(colours, (5, 9), 4)
    assert drawn.shape == (5, 9, 3)
    for y, x in np.ndindex(5, 9):
        assert (drawn[y, x] == colours[min((y + 2) // 4, 1), min((x + 2) // 4, 2)]).all()


def test_what_cannot_be_shown_is_refused(tmp_path):
    to = tmp_path / "a.json"
    with pytest.raises(UserError, match="embedding: measures on views: give some, results/DATASET/shards/cmp"):
        run(to)
    with pytest.raises(UserError, match="pictured is 0: images, from 1 up"):
        run(to, pictured=0)
    view = make_view(tmp_path / "cmp", counts=(2,))
    with pytest.raises(UserError, match="selflow has no image encoder"):
        run(to, view.folder, method="selflow", of=())
