"""The error of flow on a dataset: of its column, and of estimators that run on its frames, against the definitions."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from common_fate.errors import SampleError, UserError
from common_fate.shards.column import Shard
from common_fate.shards.record import Record
from pipeline.cli.estimators import flow_error
from pipeline.scores.flow.datasets import Named, error_table, known_pairs, measure_dataset, named
from tests.support.made_dataset import HEIGHT, PAIRS, SHARDS, WIDTH, image, key, make_dataset, true_flow

ROOT = Path(__file__).parents[4]
MADE = [(shard, frame) for shard in range(3) for frame in range(PAIRS) if (shard, frame) != (1, 1)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("flow_error") / "small")


def rows(dataset: Path, *estimators: Named, **more: Any) -> list[dict[str, Any]]:
    known = known_pairs(dataset)
    table = error_table([(known, measure_dataset(known, estimators, **more))])
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


# The flow is half a pixel off wherever it moves, in the right half of the frame.


def test_errors_are_means_over_the_pixels_of_all_pairs(dataset: Path):
    row, still = rows(dataset)
    assert (row["dataset"], row["estimator"], row["pairs"]) == ("small", "dis medium", len(MADE))
    moving = [int((true_flow(*pair)[0] > 0).sum()) for pair in MADE]
    hidden = 8 * HEIGHT
    assert row["all"] == pytest.approx(0.5 * sum(moving) / (len(MADE) * HEIGHT * WIDTH))
    assert row["occluded"] == pytest.approx(0.5)
    assert row["not occluded"] == pytest.approx(
        0.5 * sum(m - hidden for m in moving) / (len(MADE) * (HEIGHT * WIDTH - hidden))
    )
    assert (row["s10-40"], row["s40+"], row["Fl-all %"]) == (0.5, 0.5, 0.0)
    assert still["estimator"] == "no motion"
    assert (still["s10-40"], still["s40+"]) == (11, 41)
    assert still["Fl-all %"] == pytest.approx(
        100 * sum(m for m, (s, _) in zip(moving, MADE, strict=True) if s) / (len(MADE) * HEIGHT * WIDTH)
    )
    assert "ms a pair" not in row


def test_an_estimator_runs_on_the_frames_of_the_same_pairs(dataset: Path):
    seen = []

    def estimate(frames: np.ndarray) -> np.ndarray:
        seen.append(frames)
        return np.full((1, 2, HEIGHT, WIDTH), 3, np.float32)

    column, constant, still = rows(dataset, Named("constant", estimate, 2))
    assert (column["estimator"], constant["estimator"], still["estimator"]) == ("dis medium", "constant", "no motion")
    off = [np.hypot(3 - true_flow(*pair)[0], 3) for pair in MADE]
    assert constant["all"] == pytest.approx(np.mean(off), rel=1e-5)
    assert constant["pairs"] == column["pairs"] == len(MADE)
    assert constant["ms a pair"] > 0
    assert column["ms a pair"] is None
    assert len(seen) == len(MADE) + 1  # the first pair prepares it
    for frames, (shard, frame) in zip(seen[1:], MADE, strict=True):
        for found, number in zip(frames[0], (frame, frame + 1), strict=True):
            assert np.abs(255 * found.transpose(1, 2, 0) - image(shard, number)[..., ::-1]).mean() < 6  # JPEG


def test_a_dataset_without_flow_is_measured_by_running_an_estimator(tmp_path: Path):
    folder = make_dataset(tmp_path / "small")
    for shard in SHARDS:
        (folder / f"flow/{shard}.json").unlink()
    dis, still = rows(folder, named("dis", preset="fast", checkpoint=None))
    assert (dis["estimator"], dis["pairs"], still["pairs"]) == ("dis fast", 3 * PAIRS, 3 * PAIRS)
    with pytest.raises(UserError, match="small: has no flow: name an estimator to run on its frames"):
        measure_dataset(known_pairs(folder))


def test_what_cannot_be_measured_is_one_line(dataset: Path, tmp_path: Path):
    with pytest.raises(UserError, match="has no column truth"):
        known_pairs(tmp_path)
    with pytest.raises(UserError, match="there is no estimator 'raft'"):
        named("raft")
    for name in ("refinement", "scales"):
        with pytest.raises(UserError, match=f"--{name} 2 is of what --estimator names: name one"):
            flow_error([dataset], dis=["fast"], **{name: 2})

    def refuses(frames: np.ndarray) -> np.ndarray:
        raise SampleError("too small")

    with pytest.raises(UserError, match=f"small: {key(0, 0)}: its flow cannot be measured: too small"):
        rows(dataset, Named("picky", refuses, 2))
    folder = make_dataset(tmp_path / "pairs")
    record = Record.read(folder / "frames/000000.json")
    record.options["triplets"] = False
    record.write(folder / "frames/000000.json")
    with pytest.raises(UserError, match=r"pairs: an estimator reads the frame before: set frames\.triplets: true"):
        rows(folder, Named("three", refuses, 3))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"estimator": "dis", "preset": "fast", "checkpoint": None}, "dis fast"),
        ({"estimator": "ptlflow:raft", "preset": "medium", "checkpoint": "things"}, "ptlflow:raft things"),
        ({"estimator": "network", "preset": "medium", "checkpoint": None}, "network"),
        ({"estimator": "network", "scales": 3, "refinement": 1}, "network (3 scales, 1 step of refinement)"),
        ({"estimator": "dis", "preset": "fast", "refinement": 2}, "dis fast (2 steps of refinement)"),
    ],
)
def test_the_estimator_of_the_column_is_named_with_what_matters(tmp_path: Path, options: dict[str, Any], name: str):
    folder = make_dataset(tmp_path / "small")
    for shard in SHARDS:
        path = folder / f"flow/{shard}.json"
        record = Record.read(path)
        object.__setattr__(record, "options", options)
        record.write(path)
    assert rows(folder)[0]["estimator"] == name


def test_a_number_that_is_the_estimators_own_is_named_too(tmp_path: Path):
    folder = make_dataset(tmp_path / "small")
    for shard in SHARDS:
        path = folder / f"flow/{shard}.json"
        record = Record.read(path)
        record.options.update(estimator="network:a.safetensors", preset=None, scales=None, refinement=None)
        record.provenance.update(scales=3, refinement=1)
        record.write(path)
    assert rows(folder)[0]["estimator"] == "network:a.safetensors (3 scales, 1 step of refinement)"


def test_examples_are_those_asked_for_with_the_flow_that_was_measured(dataset: Path):
    known = known_pairs(dataset)
    examples = measure_dataset(known, shown=[1, 6]).examples
    assert [example.key for example in examples] == [key(*MADE[1]), key(*MADE[6])]
    with Shard(dataset / "flow/000000.tar") as flow:
        np.testing.assert_array_equal(examples[0].estimated, flow[examples[0].key]["flow.b2"])
    np.testing.assert_array_equal(examples[1].target, true_flow(*MADE[6]))


def test_the_command_prints_the_table_and_draws(dataset: Path, tmp_path: Path):
    words = ["flow-error", dataset, "--dis", "ultrafast", "--to", tmp_path / "page.html"]
    words += ["--picture", tmp_path / "sheet.png", "--pictured", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [line.split()[:3] for line in done.stdout.splitlines() if line.startswith("small")] == [
        ["small", "dis", "medium"],
        ["small", "dis", "ultrafast"],
        ["small", "no", "motion"],
    ]
    assert "ms a pair" in (tmp_path / "page.html").read_text()
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.std() > 20
