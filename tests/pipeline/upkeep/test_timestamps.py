"""Time stamps that would mislead Snakemake, put right where a record proves that nothing changed."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from common_fate.shards.codecs import encode
from common_fate.shards.record import file_sha256
from common_fate.shards.writer import write_shard
from pipeline.upkeep.timestamps import in_order


@pytest.mark.parametrize("bytes_changed", [False, True])
def test_newer_weights_redo_a_column_only_if_their_bytes_changed(tmp_path: Path, bytes_changed: bool):
    dataset, weights = tmp_path / "some", tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    samples = [("v-000000", {"json": encode("json", {"frame": 0})})]
    frames = {"stage": "frames", "version": 1, "options": {}, "inputs": {"source": "plan"}}
    made = write_shard(dataset / "frames/000000.tar", samples, lambda: frames)
    sums = {"checkpoint_sha256": file_sha256(weights)}
    flow = {"stage": "flow", "version": 1, "options": {}, "inputs": {"frames": made.sha256}, "provenance": sums}
    write_shard(dataset / "flow/000000.tar", samples, lambda: flow)
    if bytes_changed:
        weights.write_bytes(b"others!")
    tar = dataset / "flow/000000.tar"
    newer = tar.stat().st_mtime_ns + 10**9
    os.utime(weights, ns=(newer, newer))
    described = SimpleNamespace(
        columns=("frames", "flow"),
        views=(),
        downloading=None,
        options=lambda column: {},
        weights=lambda column: (weights,) if column == "flow" else (),
    )
    in_order(dataset, described, ["plan"])
    assert (tar.stat().st_mtime_ns == newer) is not bytes_changed
