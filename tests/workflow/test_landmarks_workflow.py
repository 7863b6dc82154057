"""Named points as a column, and the views of objects, through Snakemake."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from common_fate.datasets.verify import verify
from common_fate.torch import ShardDataset
from pipeline.columns.landmarks import mirrored_pairs
from tests.support.workspace import SMALL, Workspace, jobs

pytestmark = pytest.mark.slow

NAMES = ("left_eye", "right_eye", "nose")
SIDES = (40, 60)  # of the images, which are stored half as large


def write_images(folder: Path) -> dict[str, np.ndarray]:
    """Five grey images with a white square of 5 pixels about each point; those of the last are not in the table."""
    rng = np.random.default_rng(1)
    places = {}
    folder.mkdir()
    for name in "abcde":
        image = np.full((*SIDES, 3), 40, np.uint8)
        points = np.column_stack([rng.permutation(np.arange(5, 35, 6))[:3], rng.permutation(np.arange(5, 55, 6))[:3]])
        for y, x in points:
            image[y - 2 : y + 3, x - 2 : x + 3] = 255
        cv2.imwrite(str(folder / f"{name}.png"), image)
        places[name] = points
    return places


def write_table(path: Path, places: dict[str, np.ndarray]) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", *(f"{name}_{axis}" for name in NAMES for axis in "xy")])
        table.writerows([f"{name}.png", *points[:, ::-1].ravel()] for name, points in places.items() if name != "e")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Images with a table of points, one of them outside; images without; rendered videos with exact motion."""
    workspace = Workspace(tmp_path_factory.mktemp("objects"))
    places = write_images(workspace.folder / "pictures")
    write_table(workspace.folder / "points.csv", places | {"c": places["c"] + [0, 60]})
    images = {"kind": "images", "path": "pictures/*.png"}
    workspace.configure(
        {
            "faces": {
                "source": images | {"points": "points.csv"},
                "frames": {"shorter_side": 20},
                "views": ["objects"],
                "videos_per_shard": 3,
                "min_success": 0.5,
            },
            "plain": {"source": images, "views": ["objects"]},
            "moving": SMALL | {"videos_per_shard": 3, "views": ["objects_truth"]},
        }
    )
    workspace.make()
    return workspace


def test_points_lie_where_they_do_in_the_stored_frame(objects: Workspace):
    samples = ShardDataset(objects.folder / "results/faces/shards/objects")
    assert [key.as_py() for key in samples.keys] == [f"{name}-000000" for name in "abde"]
    for sample in samples:
        assert sample["image"].shape == (3, 20, 30)
        assert sample["json"]["landmarks"] == list(NAMES)
        assert mirrored_pairs(sample["json"]["landmarks"]) == [(0, 1)]
        points = sample["points"].numpy()
        assert points.shape == (3, 3)
        if sample["key"] == "e-000000":
            assert not points.any()
            continue
        assert points[:, 2].all()
        for y, x in np.rint(points[:, :2]).astype(int):
            assert sample["image"][:, y, x].min() > 0.8, "a square is where its point is"


def test_a_point_outside_is_a_failure_row_and_its_frame_no_sample(objects: Workspace):
    results = objects.folder / "results"
    assert verify(results / "faces", full=True) == []
    rows = objects.tree()["faces/shards/objects/000000.json"].decode()
    assert '{"key": "c-000000", "stage": "landmarks", "reason": "a visible point lies outside the image"}' in rows


def test_sources_without_points_have_objects_all_the_same(objects: Workspace):
    plain = ShardDataset(objects.folder / "results/plain/shards/objects")
    assert len(plain) == 5
    assert plain.extensions == ["jpg", "json"]
    moving = ShardDataset(objects.folder / "results/moving/shards/objects_truth")
    assert len(moving) == 9, "each frame of three videos of four, but for the last"
    assert {"jpg", "truth.flow.b2", "truth.valid.png", "next.jpg", "json"} <= set(moving.extensions)
    for name in ("plain", "moving"):
        assert verify(objects.folder / "results" / name, full=True) == []


def test_what_failed_is_tried_again_and_a_better_table_makes_its_shard_anew(objects: Workspace):
    before = objects.tree()
    command = [sys.executable, "-m", "pipeline", "retry-failed", "results/faces"]
    paths = os.environ | {"PYTHONPATH": str(objects.root)}
    done = subprocess.run(command, cwd=objects.folder, capture_output=True, text=True, env=paths)
    assert "results/faces: 1 failed, 1 still does" in done.stdout + done.stderr
    assert objects.tree() == before
    dry = objects.snakemake("--dry-run")
    assert not jobs(dry.stderr + dry.stdout)
    assert "config.yaml: datasets.faces.source.points: 1 of 5 images have no row" in dry.stderr
    write_table(objects.folder / "points.csv", write_images(objects.folder / "again"))
    planned = objects.planned()
    assert planned["frames_shard"] == planned["landmarks_shard"] == planned["view_shard"] == 1
    objects.make()
    assert len(ShardDataset(objects.folder / "results/faces/shards/objects")) == 5
    assert verify(objects.folder / "results/faces", full=True) == []
