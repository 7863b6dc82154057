"""A world's frames, exact motion and named points, through Snakemake and back out of the view."""

import numpy as np
import pytest

from common_fate.shards.column import Shard
from pipeline.sources.worlds import SOURCE
from pipeline.sources.worlds.world import WorldOptions
from tests.support.workspace import Workspace

pytestmark = pytest.mark.slow


def test_a_view_of_an_arm_has_what_the_world_says(workspace: Workspace):
    source = {"world": "roboarm", "videos": 2, "frames": 4, "seed": 3}
    dataset = {"source": {"kind": "world", **source}, "views": ["objects_truth"], "videos_per_shard": 2}
    workspace.configure({"arm": dataset})
    workspace.make("results/arm/shards/objects_truth/samples.parquet")
    (video, _) = SOURCE.videos(WorldOptions(**source), "")  # type: ignore[arg-type]
    with Shard(workspace.folder / "results/arm/shards/objects_truth/000000.tar") as shard:
        assert len(shard.record.keys) == 6  # pairs
        sample = shard[f"{video.video}-000001"]
    (frame,) = SOURCE.read(video, [2])
    truth, points = SOURCE.truth(video, 1, 2), SOURCE.points(video, 1)  # type: ignore[misc]
    assert np.abs(sample["next.jpg"].astype(int) - frame.image).mean() < 4  # type: ignore[union-attr]
    assert np.abs(sample["truth.flow.b2"] - truth.flow).max() < 0.01  # type: ignore[union-attr]
    np.testing.assert_array_equal(sample["truth.occlusion.png"] > 0, truth.occlusion)  # type: ignore[union-attr]
    np.testing.assert_array_equal(sample["points.npy"], points.rows)  # type: ignore[union-attr]
    assert sample["json"]["landmarks"] == list(points.names)  # type: ignore[union-attr]


def test_a_world_that_is_none_is_refused_before_any_job(workspace: Workspace):
    workspace.configure({"arm": {"source": {"kind": "world", "world": "robo_arm"}}})
    done = workspace.snakemake("--dry-run")
    assert done.returncode == 1
    assert "datasets.arm.source.world" in done.stderr
    assert "roboarm" in done.stderr
    assert "Traceback" not in done.stderr
