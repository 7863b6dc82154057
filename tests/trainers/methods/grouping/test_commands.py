"""What a view's trees say before anything is learnt."""

from pathlib import Path

import numpy as np
import pytest
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform
from typer.testing import CliRunner, Result

from common_fate.errors import UserError
from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.writer import write_shard
from tests.support.small_view import make_view
from trainers.cli import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["grouping", "scales", *map(str, arguments)])


def own_region(tree: np.ndarray, scale: float) -> float:
    """Equation 2 written out, with similarity to itself cast to one."""
    distances = squareform(cophenet(tree))
    shares = []
    for region in range(len(distances)):
        others = sum(
            np.exp(-scale * distances[region, other] / 0.8) for other in range(len(distances)) if other != region
        )
        shares.append(1 / (1 + others))
    return float(np.mean(shares))


def test_own_regions_by_scale_are_equation_2s(tmp_path: Path):
    rng = np.random.default_rng(0)
    trees = [linkage(rng.random((count, 1)), "average").astype(np.float32) for count in (5, 9)]
    members = [(f"v{n}-000000", {"tree.npy": encode("tree.npy", tree)}) for n, tree in enumerate(trees)]
    facts = {"stage": "grouping", "version": 1, "options": {}, "inputs": {}, "failures": []}
    write_shard(tmp_path / "view/000000.tar", members, lambda: facts)
    write_manifest(tmp_path / "view", ["000000"], "a view")
    done = run(tmp_path / "view", "--scale", 2, "--scale", 7.5)
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.output.splitlines() if line.strip()[:1].isdigit()]
    assert [float(row[0]) for row in rows] == [2, 7.5]
    for scale, share in rows:
        right = np.mean([own_region(tree, float(scale)) for tree in trees])
        assert float(share) == pytest.approx(right, abs=2e-3)


def test_a_view_without_trees_is_refused(tmp_path: Path):
    make_view(tmp_path / "view", (2,))
    assert isinstance(error := run(tmp_path / "view").exception, UserError)
    assert "has no trees of regions: give a view grouping" in str(error)
