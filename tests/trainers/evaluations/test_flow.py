"""The evaluation of flow: its numbers against their definitions, on shards that the pipeline wrote."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.writer import write_shard
from pipeline.scores.flow.errors import flow_error
from pipeline.scores.flow.measure import Measured
from trainers.data.split import Split
from trainers.engine.options import Machine, build
from trainers.evaluations.flow.evaluation import FlowOptions
from trainers.evaluations.flow.run import rows_of, run
from trainers.evaluations.job import Job
from trainers.methods.selflow.method import METHOD
from trainers.methods.selflow.options import SelFlowOptions
from trainers.methods.selflow.task import SelFlow
from trainers.models.saving import save_model

HEIGHT, WIDTH = 40, 56  # multiples of no stride


def truths() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of three samples flow, where it is valid, where it is occluded."""
    rng = np.random.default_rng(0)
    found = []
    for speed in (2.0, 15.0, 60.0):
        flow = rng.normal(0, speed, (2, HEIGHT, WIDTH)).astype(np.float32)
        found.append((np.round(flow * 64) / 64, rng.random((HEIGHT, WIDTH)) < 0.9, rng.random((HEIGHT, WIDTH)) < 0.2))
    return found


@pytest.fixture
def view(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    folder = tmp_path / "results/made/shards/flow"

    def mask(values: np.ndarray) -> bytes:
        return encode("png", values.astype(np.uint8) * 255)

    samples = []
    for number, (flow, valid, occluded) in enumerate(truths()):
        jpg = [cv2.imencode(".jpg", rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))[1].tobytes() for _ in range(3)]
        facts = encode("json", {"video": "v", "frame": number, "height": HEIGHT, "width": WIDTH})
        members = {"jpg": jpg[1], "previous.jpg": jpg[0], "next.jpg": jpg[2], "json": facts}
        truth = {"truth.flow.b2": encode("flow.b2", flow), "truth.valid.png": mask(valid)}
        samples.append((f"v-{number:06d}", members | truth | {"truth.occlusion.png": mask(occluded)}))
    facts = {"stage": "flow", "version": 1, "options": {}, "inputs": {}}
    write_shard(folder / "000000.tar", samples, lambda: facts)
    write_manifest(folder, ["000000"], "made")
    return folder


def job(view: Path, folder: Path, refinement: int = 0, **network: Any) -> Job:
    options = build(SelFlowOptions, {"network": network, "transforms": {"crop": 64}})
    torch.manual_seed(0)
    net = SelFlow.network(options)
    for weight in net.parameters():  # flow is 0 everywhere
        torch.nn.init.zeros_(weight)
    save_model(folder / "model.safetensors", net, METHOD, options, Split(0.1))
    weights = folder / "model.safetensors"
    given = FlowOptions(pictured=1, refinement=refinement)
    return Job("one", "selflow", options, "model", weights, given, (str(view),), "all", 0.1, folder, Machine(workers=0))


@pytest.mark.parametrize("network", [{"name": "small", "frames": 2}, {"name": "selflow", "frames": 3}])
def test_rows_are_means_over_the_pixels_that_they_name(view: Path, tmp_path: Path, network: dict[str, Any]):
    result = run(job(view, tmp_path, **network))
    found = {(row.metric, row.subset): row for row in result.rows}
    flow, valid, occluded = (np.stack(each) for each in zip(*truths(), strict=True))
    speed = np.hypot(flow[:, 0], flow[:, 1]).astype(np.float64)
    subsets = {
        "": valid,
        "occluded": valid & occluded,
        "not occluded": valid & ~occluded,
        "s0-10": valid & (speed < 10),
        "s10-40": valid & (speed >= 10) & (speed <= 40),
        "s40+": valid & (speed > 40),
    }
    for name, mask in subsets.items():
        row = found["epe", name]
        assert row.value == pytest.approx(speed[mask].mean(), abs=0.02), "a network of zeros says that nothing moves"
        assert row.baselines["no motion"] == pytest.approx(speed[mask].mean(), rel=1e-5)
        assert row.baselines["DIS medium"] is not None
    wrong = (speed > 3) & (speed > 0.05 * speed)
    assert found["Fl", ""].baselines["no motion"] == pytest.approx(100 * wrong[valid].mean())
    assert [picture.name for picture in result.pictures] == ["samples"]
    assert set(result.about["seconds_a_pair"]["made"]) == {"network", "DIS medium"}


def test_the_network_is_measured_as_the_column_of_flow_has_it(view: Path, tmp_path: Path):
    network = {"name": "small", "frames": 2}
    alone, as_it_is_used = (run(job(view, tmp_path, steps, **network)).rows for steps in (0, FlowOptions().refinement))
    assert alone[0].value != as_it_is_used[0].value
    assert alone[0].baselines == as_it_is_used[0].baselines


def test_several_datasets_are_added_up_pixel_by_pixel():
    measured = []
    for name, off in (("a", [1.0]), ("b", [4.0, 4.0, 4.0])):
        truth = np.array([[off], [[0.0] * len(off)]], np.float32)
        errors = flow_error(np.zeros_like(truth), truth, np.ones(truth.shape[1:], bool))
        measured.append(Measured(name, 1, {"network": errors}))
    rows = rows_of(measured)
    assert [(row.dataset, row.value) for row in rows if (row.metric, row.subset) == ("epe", "")] == [
        ("all", 3.25),
        ("a", 1.0),
        ("b", 4.0),
    ]
    assert [row.value for row in rows if row.metric == "Fl"] == [75, 0, 100]
