"""The manifest, read by those it is written for."""

import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from common_fate.datasets.verify import verify
from common_fate.errors import ShardError
from common_fate.manifest.samples import read_samples
from common_fate.manifest.shards import read_shards
from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import decode
from common_fate.shards.record import file_sha256
from tests.support.made_dataset import (
    ABOUT,
    LOST,
    PAIRS,
    SHARDS,
    make_dataset,
    make_manifest,
    points,
    true_flow,
    view_tar,
)
from tests.support.small_view import make_view

MADE = 3 * PAIRS - 1


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("manifest") / "small") / "shards/cmp"


def test_samples_are_read_by_offset_without_scanning(view: Path):
    rows = read_samples(view).to_pylist()
    made = [row for row in rows if row["failure"] is None]
    assert len(made) == MADE
    for row in made:
        data = (view / f"{row['shard']}.tar").read_bytes()
        member = {
            extension: decode(extension, data[row[f"{extension}.offset"] :][: row[f"{extension}.size"]])
            for extension in ("jpg", "flow.b2", "guidance.npy", "json")
        }
        shard, frame = int(row["shard"]), row["frame"]
        assert (member["json"]["video"], member["json"]["frame"]) == (row["video"], frame)
        truth = true_flow(shard, frame)
        np.testing.assert_array_equal(member["flow.b2"], truth + 0.5 * (truth > 0))
        np.testing.assert_array_equal(member["guidance.npy"], points(shard, frame))


def test_offsets_are_where_tarfile_finds_the_members(view: Path):
    for row in read_samples(view).to_pylist():
        if row["failure"] is None:
            with tarfile.open(view / f"{row['shard']}.tar") as tar:
                for extension in ("jpg", "flow.b2", "guidance.npy", "json"):
                    found = tar.getmember(f"{row['key']}.{extension}")
                    assert (row[f"{extension}.offset"], row[f"{extension}.size"]) == (found.offset_data, found.size)


def test_a_failure_is_a_row_with_a_reason(view: Path):
    (row,) = [row for row in read_samples(view).to_pylist() if row["failure"] is not None]
    assert (row["key"], row["video"], row["frame"], row["shard"]) == (LOST, "bee", 1, "000001")
    assert (row["stage"], row["failure"], row["jpg.offset"]) == ("flow", "not finite", None)


def test_shards_have_their_size_and_sum(view: Path):
    rows = read_shards(view).to_pylist()
    assert [row["shard"] for row in rows] == SHARDS
    for row in rows:
        tar = view / row["file"]
        assert (row["bytes"], row["sha256"]) == (tar.stat().st_size, file_sha256(tar))
    assert [(row["samples"], row["failures"]) for row in rows] == [(4, 0), (3, 1), (4, 0)]


def test_licence_and_attribution_follow_every_sample(view: Path):
    samples = pq.read_table(view / "samples.parquet", columns=["video", "failure", "license"]).to_pylist()
    assert {row["license"] for row in samples} == {"CC0"}
    ape, bee, _ = pq.read_table(view / "videos.parquet").to_pylist()
    assert ape == {"video": "ape", "license": "CC0"} | dict.fromkeys(("attribution", "title", "page", "about"))
    told = {"attribution": "Bo", "title": "A bee", "page": None, "about": ABOUT["bee"]}
    assert bee == {"video": "bee", "license": "CC0"} | told
    card = (view / "README.md").read_text()
    assert "`videos.parquet` has the licence of each video, who is to be credited" in card
    assert re.search(r"\| videos +\| CC0 +\| +3 \| +1 \|", card)


def test_sha256sum_accepts_every_file_and_misses_none(view: Path):
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=view,
        env=os.environ | {"LC_ALL": "C"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    checked = {line.removesuffix(": OK") for line in done.stdout.splitlines()}
    assert checked == {path.name for path in view.iterdir()} - {"SHA256SUMS"}


def test_timm_is_told_of_shards_with_samples_alone(tmp_path: Path):
    folder = make_view(tmp_path / "cmp", counts=(2, 0, 1)).folder
    info = json.loads((folder / "_info.json").read_text())
    split = info["splits"]["train"]
    assert (split["filenames"], split["shard_lengths"]) == (["000000.tar", "000002.tar"], [2, 1])
    assert not verify(folder, full=True)

    def found(files: list[str], lengths: list[int]) -> list[str]:
        split.update(filenames=files, shard_lengths=lengths, num_samples=sum(lengths))
        (folder / "_info.json").write_text(json.dumps(info))
        return [problem.path.name for problem in verify(folder, full=False)]

    assert not found(["000000.tar", "000001.tar", "000002.tar"], [2, 0, 1]), "as former versions wrote it"
    assert found(["000000.tar", "000002.tar"], [2, 2]) == ["_info.json"]


def test_open_clip_counts_the_samples(view: Path):
    from open_clip_train.data import get_dataset_size

    assert get_dataset_size(f"{view}/{{000000..000002}}.tar") == (MADE, 3)
    assert get_dataset_size(f"{view}/000001.tar") == (3, 1)


def test_stock_webdataset_reads_the_shards(view: Path):
    import webdataset

    read = list(webdataset.WebDataset(f"{view}/{{000000..000002}}.tar", shardshuffle=False))
    made = [row["key"] for row in read_samples(view).to_pylist() if row["failure"] is None]
    assert [sample["__key__"] for sample in read] == made
    assert all({"jpg", "flow.b2", "guidance.npy", "json"} <= set(sample) for sample in read)


def test_croissant_names_every_shard_with_its_sum(view: Path):
    croissant = json.loads((view / "croissant.json").read_text())
    sums = {file["name"]: file["sha256"] for file in croissant["distribution"]}
    assert sums == {path.name: file_sha256(path) for path in view.iterdir() if path.suffix in (".tar", ".parquet")}
    fields = [field["source"]["extract"]["column"] for field in croissant["recordSet"][0]["field"]]
    assert set(fields) <= set(pq.read_schema(view / "samples.parquet").names)


def test_the_validator_of_croissant_accepts_it(view: Path):
    """What it still recommends is for those to say who publish the shards: `share` asks them."""
    from mlcroissant import Dataset

    dataset = Dataset(view / "croissant.json")
    assert dataset.metadata.issues.errors == set()
    recommended = {"https://schema.org/license", "https://schema.org/datePublished"}
    warned = {warning.split('"')[1] for warning in dataset.metadata.issues.warnings}
    assert warned == recommended
    (first, *_) = dataset.records("samples")
    assert first["samples/key"] == b"ape-000000"


def test_writing_twice_gives_the_same_bytes(view: Path):
    before = {path.name: path.read_bytes() for path in view.iterdir()}
    make_manifest(view.parents[1])
    assert {path.name: path.read_bytes() for path in view.iterdir()} == before


def test_whole_shards_stand_in_row_groups(view: Path, monkeypatch: pytest.MonkeyPatch):
    """As of a manifest too large to be held: in groups that say by their least and greatest key what they may hold."""
    rows = read_samples(view)
    monkeypatch.setattr("common_fate.manifest.samples.GROUP", PAIRS + 1)
    make_manifest(view.parents[1])
    metadata = pq.read_metadata(view / "samples.parquet")
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [2 * PAIRS, PAIRS]
    keys = [group.column(0).statistics for group in groups]
    assert [(key.min, key.max) for key in keys] == [("ape-000000", "bee-000003"), ("cat-000000", "cat-000003")]
    assert read_samples(view) == rows
    monkeypatch.undo()
    make_manifest(view.parents[1])
    assert pq.read_metadata(view / "samples.parquet").num_row_groups == 1


def test_a_plan_without_shards_has_a_manifest_without_rows(tmp_path: Path):
    write_manifest(tmp_path, [], "nothing (cmp)")
    assert (read_samples(tmp_path).num_rows, read_shards(tmp_path).num_rows) == (0, 0)


def test_an_unfinished_shard_has_no_manifest(tmp_path: Path):
    folder = make_dataset(tmp_path / "small")
    view_tar(folder, "000001").with_suffix(".json").unlink()
    with pytest.raises(ShardError, match=r"000001\.json: missing"):
        write_manifest(folder / "shards/cmp", SHARDS, "small (cmp)")


def test_a_manifest_that_is_none_is_refused(tmp_path: Path):
    (tmp_path / "samples.parquet").write_bytes(b"no")
    with pytest.raises(ShardError, match="not a manifest"):
        read_samples(tmp_path)
    with pytest.raises(ShardError, match="not a manifest"):
        read_shards(tmp_path)
