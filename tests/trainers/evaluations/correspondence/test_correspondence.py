"""The evaluation of correspondence: its numbers against their definitions, on shards as the pipeline writes them."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common_fate.errors import UserError
from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.writer import write_shard
from trainers.data.split import Split
from trainers.engine.options import Machine, build
from trainers.evaluations.correspondence.accuracy import accuracy
from trainers.evaluations.correspondence.evaluation import CorrespondenceOptions
from trainers.evaluations.correspondence.run import run
from trainers.evaluations.job import Job
from trainers.methods.matching.method import METHOD
from trainers.methods.matching.options import MatchingOptions
from trainers.methods.matching.task import Matching
from trainers.models.saving import save_model

HEIGHT, WIDTH = 64, 96
RIGHT, DOWN = 44, -6


@given(st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_accuracy_is_the_share_of_pixels_that_are_found_and_near(seed: int):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 40, (2, 6, 7)).astype(np.float32)
    flow = (truth + rng.normal(0, 5, truth.shape)).astype(np.float32)
    found, valid, at = (rng.random((6, 7)) < share for share in (0.7, 0.8, 0.3))
    truth[:, ~valid] = np.nan
    measured = accuracy(flow, found, truth, valid, at)
    errors, near, fast = [], [], []
    for row, column in np.argwhere(valid):
        error = float(np.linalg.norm(flow[:, row, column] - truth[:, row, column]))
        near.append(found[row, column] and error <= 5)
        if np.linalg.norm(truth[:, row, column]) > 40:
            fast.append(near[-1])
        if at[row, column] and found[row, column]:
            errors.append(error)
    for of, expected in ((measured.near[5], near), (measured.fast[5], fast), (measured.error, errors)):
        assert of.count == len(expected)
        assert of.value is None if not expected else of.value == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.fixture
def view(tmp_path: Path) -> Path:
    return make_view(tmp_path, known=True)


def make_view(tmp_path: Path, known: bool) -> Path:
    """A pair whose texture moves right and up, of which the truth is known where it is still seen."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "results/made/shards/flow"
    layers = [cv2.GaussianBlur(rng.normal(size=(160, 240, 3)), (0, 0), size) * size for size in (1.5, 4, 9)]
    whole = cv2.normalize(sum(layers), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    this = whole[40 : 40 + HEIGHT, 80 : 80 + WIDTH]
    following = whole[40 - DOWN : 40 - DOWN + HEIGHT, 80 - RIGHT : 80 - RIGHT + WIDTH]
    jpg = [cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes() for one in (this, this, following)]
    flow = np.empty((2, HEIGHT, WIDTH), np.float32)
    flow[0], flow[1] = RIGHT, DOWN
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    valid = (x + RIGHT < WIDTH) & (y + DOWN >= 0) & known
    facts = encode("json", {"video": "v", "frame": 0, "height": HEIGHT, "width": WIDTH})
    members = {"jpg": jpg[1], "previous.jpg": jpg[0], "next.jpg": jpg[2], "json": facts}
    members |= {"truth.flow.b2": encode("flow.b2", flow)}
    members |= {"truth.valid.png": encode("png", valid.astype(np.uint8) * 255)}
    stage = {"stage": "flow", "version": 1, "options": {}, "inputs": {}}
    write_shard(folder / "000000.tar", [("v-000000", members)], lambda: stage)
    write_manifest(folder, ["000000"], "made")
    return folder


def job(view: Path, folder: Path, **pyramid: Any) -> Job:
    options = build(MatchingOptions, {"pyramid": pyramid, "descriptor": {"name": "gradients"}})
    weights = folder / "model.safetensors"
    save_model(weights, Matching.network(options), METHOD, options, Split(0.1))
    given = CorrespondenceOptions(pictured=1)
    return Job(
        "one", "matching", options, "model", weights, given, (str(view),), "all", 0.1, folder, Machine(workers=0)
    )


def test_large_motion_is_matched_and_stands_beside_its_peers(view: Path, tmp_path: Path):
    result = run(job(view, tmp_path, levels=4, radius=48))
    rows = {(row.metric, row.subset): row for row in result.rows}
    assert [*rows] == [(f"acc@{limit}", subset) for subset in ("", "s40+") for limit in (10, 5, 2)] + [("epe", "")]
    assert result.rows[0].dataset == "made"
    assert rows["acc@2", ""].value > 80
    assert rows["acc@2", ""].value == rows["acc@2", "s40+"].value  # all of it is fast
    assert rows["acc@2", ""].baselines.keys() == {"nearest descriptors", "DIS medium"}
    assert rows["epe", ""].value < 1
    (picture,) = result.pictures
    assert cv2.imdecode(np.frombuffer(picture.png, np.uint8), cv2.IMREAD_COLOR).shape[0] > HEIGHT


def test_what_is_beyond_reach_is_not_matched(view: Path, tmp_path: Path):
    result = run(job(view, tmp_path, levels=4, radius=16))
    assert result.rows[0].metric == "acc@10"
    assert result.rows[0].value < 5


def test_motion_that_is_known_nowhere_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="made: no exact motion is known"):
        run(job(make_view(tmp_path, known=False), tmp_path, levels=1, radius=8))


def test_a_frame_without_a_point_is_named(view: Path, tmp_path: Path):
    with pytest.raises(UserError, match="made: v-000000: too small for deep matching"):
        run(job(view, tmp_path, levels=1, radius=8, beta=70))


def test_the_network_is_an_estimator_of_the_pipeline(view: Path, tmp_path: Path):
    from pipeline.columns.flow import create_estimator

    made = job(view, tmp_path, levels=4, radius=24)
    frames = torch.rand(1, 2, 3, 40, 48).numpy()
    flow = create_estimator(f"network:{made.weights}")(np.concatenate([frames[:, :1], frames[:, :1]], 1))
    assert flow.shape == (1, 2, 40, 48)
    assert np.median(abs(flow)) < 0.1
