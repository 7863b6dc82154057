"""Regions and superpixels as columns, and the views that join them, through Snakemake."""

from typing import Any

import cv2
import numpy as np
import pytest
from scipy.cluster.hierarchy import cophenet

from common_fate.shards.column import Shard
from common_fate.torch import ShardDataset
from tests.support.workspace import Workspace, changed

pytestmark = pytest.mark.slow

TRIPLETS: dict[str, Any] = {
    "frames": {"triplets": True},
    "views": ["cmp", "grouping", "selflow"],
    "videos_per_shard": 3,  # one shard
}


@pytest.fixture(scope="module")
def segmented(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Videos with all views, and images, one of them a line of pixels, with the one that needs no neighbours."""
    workspace = Workspace(tmp_path_factory.mktemp("segmented"))
    pictures = workspace.folder / "pictures"
    pictures.mkdir()
    checks = np.kron(np.indices((3, 4)).sum(0).astype(np.uint8) % 2, np.ones((20, 20), np.uint8))[..., None] * np.array(
        [255, 128, 0], np.uint8
    )
    cv2.imwrite(str(pictures / "checks.png"), checks)
    cv2.imwrite(str(pictures / "grey.png"), np.full((30, 40, 3), 128, np.uint8))
    cv2.imwrite(str(pictures / "line.png"), checks[:1])
    images = {"source": {"kind": "images", "path": "pictures/*.png"}, "views": ["grouping"]}
    workspace.configure({**changed(**TRIPLETS), "pictures": images})
    workspace.make()
    return workspace


def test_views_have_trees_and_neighbours(segmented: Workspace):
    results = segmented.folder / "results"
    for name, count in (("small/shards/grouping", 12), ("pictures/shards/grouping", 3)):
        samples = ShardDataset(results / name)
        assert len(samples) == count
        for sample in samples:
            regions = len(sample["tree"]) + 1
            assert sample["regions"].shape == sample["image"].shape[1:]
            assert sorted(sample["regions"].unique().tolist()) == list(range(regions))
            assert regions <= 40
            if regions > 1:
                assert 0 <= cophenet(sample["tree"].double().numpy()).max() <= 1
    by_key = {sample["key"].rpartition("-")[0]: sample for sample in samples}
    assert len(by_key["grey"]["tree"]) == 0
    assert len(by_key["checks"]["tree"]) >= 11, "twelve squares that nobody could overlook"
    triplets = ShardDataset(results / "small/shards/selflow")
    assert len(triplets) == 6, "the two middle frames of three videos of four"
    sample, following = triplets[0], triplets[1]
    assert sample["next.image"].equal(following["image"])
    assert sample["image"].equal(following["previous.image"])
    assert sample["next.superpixels"].equal(following["superpixels"])
    assert sample["json"]["frame"] == 1


def test_nothing_to_do_means_no_jobs(segmented: Workspace):
    assert not segmented.planned()


def test_superpixel_options_redo_superpixels_and_their_view(segmented: Workspace):
    config = (segmented.folder / "config.yaml").read_text()
    segmented.configure(changed(**TRIPLETS, superpixels={"segments": 50}))
    planned = segmented.planned()
    (segmented.folder / "config.yaml").write_text(config)
    assert planned["superpixels_shard"] == planned["view_shard"] == 1
    assert not {"frames_shard", "flow_shard", "guidance_shard", "regions_shard"} & set(planned)


def test_ready_made_contours_are_taken(workspace: Workspace):
    pictures, maps = workspace.folder / "pictures", workspace.folder / "maps"
    pictures.mkdir()
    maps.mkdir()
    cv2.imwrite(str(pictures / "one.png"), np.full((30, 40, 3), 128, np.uint8))
    cv2.imwrite(str(pictures / "other.png"), np.full((30, 40, 3), 128, np.uint8))
    strength = np.zeros((30, 40), np.uint16)
    strength[:, 19:21] = 32768
    cv2.imwrite(str(maps / "one.png"), strength)
    dataset = {
        "source": {"kind": "images", "path": "pictures/*.png"},
        "views": ["grouping"],
        "regions": {"detector": "maps", "maps": "maps", "spectral": False},
        "min_success": 0.5,
    }
    workspace.configure({"pictures": dataset})
    workspace.make()
    with Shard(workspace.folder / "results/pictures/regions/000000.tar") as regions:
        [sample] = [dict(regions[key]) for key in regions]
    assert sample["tree.npy"][:, 2].tolist() == [pytest.approx(32768 / 65535, abs=1e-6)]
    assert np.unique(sample["regions.png"][:, :19]).tolist() == [0]
    assert np.unique(sample["regions.png"][:, 21:]).tolist() == [1]
    [failure] = regions.record.failures
    assert failure["key"] == "other-000000"
    assert "no contours: maps has no map called KEY.png or VIDEO.png" in failure["reason"]
    assert regions.record.provenance == {"heights": "ultrametric contour map, [0, 1]"}


@pytest.mark.parametrize(
    ("dataset", "says"),
    [
        ({"views": ["selflow"]}, "selflow needs the frame before, too: set frames.triplets: true"),
        ({"views": ["grouping"], "regions": {"forest": "none.yml.gz"}}, "none.yml.gz"),
        ({"views": ["grouping"], "regions": {"maps": "maps"}}, "maps is the folder of the detector maps"),
        ({"views": ["grouping"], "regions": {"leaves": 300}}, "leaves is 300: should be at most 256"),
        ({"views": ["selflow"], "superpixels": {"segments": 0}}, "segments is 0: should be at least 1"),
    ],
)
def test_bad_options_are_refused_in_one_line(workspace: Workspace, dataset: dict[str, Any], says: str):
    workspace.configure(changed(**dataset))
    done = workspace.snakemake()
    assert done.returncode != 0
    assert says in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
