"""Shards from elsewhere become a dataset here: whole, in part, damaged, copied by whatever means."""

import errno
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from common_fate.datasets.adopted_record import read_adopted
from common_fate.datasets.catalog import read_catalog, read_plan
from common_fate.datasets.verify import verify
from common_fate.shards.record import file_sha256
from common_fate.torch import ShardDataset
from pipeline.sharing import adopt_view
from tests.support.made_dataset import ABOUT, SHARDS, make_dataset
from tests.support.sharing_commands import Done, content, flip, pipeline
from tests.support.workspace import SMALL, Workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("adopt") / "results/small") / "shards/cmp"


@pytest.fixture
def received(made: Path, tmp_path: Path) -> Path:
    """A copy as another lab has it: without plan and columns, and with time stamps of its own."""
    folder = shutil.copytree(made, tmp_path / "received", copy_function=shutil.copyfile)
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        os.utime(path, (number, number))
    return folder


def adopt(folder: Path, name: str = "theirs", *more: str) -> Done:
    """Beside the folder."""
    return pipeline(folder.parent, "adopt", folder, "--dataset", name, *more)


def test_a_view_becomes_a_dataset_that_verifies_and_reads(received: Path, made: Path, tmp_path: Path):
    done = adopt(received)
    assert (done.returncode, done.stderr) == (0, "")
    assert "adopted 3 shards (000000, 000001, 000002)" in done.stdout
    assert "theirs: {source: {kind: adopted}}" in done.stdout
    dataset = tmp_path / "results/theirs"
    assert verify(dataset, full=True) == []
    assert read_plan(dataset / "plan.json") == [["ape"], ["bee"], ["cat"]]
    assert {video.kind for video in read_catalog(dataset / "catalog.parquet")} == {"adopted"}
    (_, bee, _) = read_catalog(dataset / "catalog.parquet")  # from videos.parquet: no catalog came
    assert (bee.license, bee.about) == ("CC0", ABOUT["bee"])
    for name in ("videos.parquet", "samples.parquet"):
        assert (dataset / "shards/cmp" / name).read_bytes() == (made / name).read_bytes()
    for shard in SHARDS:
        for suffix in (".tar", ".json"):
            assert (dataset / f"shards/cmp/{shard}{suffix}").read_bytes() == (made / f"{shard}{suffix}").read_bytes()
    assert ShardDataset(dataset / "shards/cmp", check_sums=True).keys == ShardDataset(made).keys


def test_a_manifest_of_a_former_version_is_adopted(received: Path, tmp_path: Path):
    """It says nothing of licences."""
    (received / "videos.parquet").unlink()
    (problem,) = verify(received, full=False)
    assert (problem.path.name, problem.fault) == ("videos.parquet", "missing")
    samples = pq.read_table(received / "samples.parquet").drop_columns("license")
    pq.write_table(samples, received / "samples.parquet")
    sums = (received / "SHA256SUMS").read_text().splitlines(keepends=True)
    kept = [line for line in sums if not line.endswith(("  videos.parquet\n", "  samples.parquet\n"))]
    kept.append(f"{file_sha256(received / 'samples.parquet')}  samples.parquet\n")
    (received / "SHA256SUMS").write_text("".join(kept))
    assert verify(received, full=True) == []
    assert adopt(received).returncode == 0
    dataset = tmp_path / "results/theirs"
    assert verify(dataset, full=True) == []
    assert {video.license for video in read_catalog(dataset / "catalog.parquet")} == {None}


def test_shards_that_are_not_there_are_named_and_the_others_keep_their_numbers(received: Path, tmp_path: Path):
    (received / "000000.tar").unlink()
    (received / "000001.json").unlink()
    done = adopt(received)
    assert done.returncode == 0, done.stderr
    assert "adopted 1 shard (000002)" in done.stdout
    assert "left out: 2 shards (000000, 000001)" in done.stdout
    dataset = tmp_path / "results/theirs"
    assert verify(dataset, full=True) == []
    assert read_plan(dataset / "plan.json") == [[], [], ["cat"]]
    assert {key.split("-")[0] for key in ShardDataset(dataset / "shards/cmp").keys.to_pylist()} == {"cat"}


def test_the_rest_comes_later(received: Path, made: Path, tmp_path: Path):
    (received / "000001.tar").unlink()
    assert adopt(received).returncode == 0
    shutil.copy(made / "000001.tar", received)
    assert adopt(received).returncode == 0
    dataset = tmp_path / "results/theirs"
    assert verify(dataset, full=True) == []
    assert len(ShardDataset(dataset / "shards/cmp")) == len(ShardDataset(made))
    (received / "000002.tar").unlink()
    done = adopt(received)
    assert done.returncode == 1
    assert "results/theirs: holds a shard 000002 that is not among these" in done.stderr


@pytest.mark.parametrize(
    ("name", "byte", "says"),
    [
        ("000001.tar", 2000, "000001.tar: changed since it was written"),
        ("000001.json", 5, "000001.json: not a shard record"),
        ("samples.parquet", 900, "samples.parquet: "),
    ],
)
def test_damage_is_refused_by_name_and_leaves_nothing(received: Path, tmp_path: Path, name: str, byte: int, says: str):
    flip(received / name, byte)
    done = adopt(received)
    assert done.returncode == 1
    assert says in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_shard_of_another_dataset_is_refused_by_its_sum(received: Path, made: Path, tmp_path: Path):
    """The tar and its record agree with each other, and not with the manifest."""
    for suffix in (".tar", ".json"):
        data = (made / f"000001{suffix}").read_bytes()
        (received / f"000002{suffix}").write_bytes(data.replace(b'"000001"', b'"000002"'))
    done = adopt(received)
    assert done.returncode == 1
    assert "000002.json: not of the shard that shards.parquet lists" in done.stderr
    assert not (tmp_path / "results").exists()


def test_an_adoption_that_breaks_off_leaves_nothing_and_is_done_again(
    received: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(one: object, other: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert "the disk is full: free some space" in adopt(received).stderr
    monkeypatch.undo()
    assert not (tmp_path / "results").exists()
    for name in ("adopt.0123abcd", "adopt"):  # the latter of a former version
        killed = tmp_path / f"results/.theirs.{name}.tmp"
        (killed / "shards/cmp").mkdir(parents=True)
        (killed / "shards/cmp/000007.tar").touch()
    assert adopt(received).returncode == 0
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["theirs"]
    assert verify(tmp_path / "results/theirs", full=True) == []


def test_killed_between_two_moves_an_adoption_is_found_again(
    received: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Then the older one is what there is: were it lost, so would be what this one lacks."""
    assert adopt(received).returncode == 0
    whole = content(tmp_path / "results/theirs")
    rename, moves = os.rename, []

    def killed(one: Path, other: Path) -> None:
        moves.append(other)
        if len(moves) > 1:
            raise KeyboardInterrupt
        rename(one, other)

    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        adopt_view.adopt(received, tmp_path / "results/theirs")
    monkeypatch.undo()
    assert not (tmp_path / "results/theirs").exists()
    pipeline(tmp_path, "gc", "results", "--older-than", 0, "--delete")
    (received / "000001.tar").unlink()
    refused = adopt(received)
    assert "results/theirs: holds a shard 000001 that is not among these" in refused.stderr
    assert content(tmp_path / "results") == {f"theirs/{name}": data for name, data in whole.items()}


def test_a_dataset_that_was_built_here_is_never_written_over(received: Path, tmp_path: Path):
    make_dataset(tmp_path / "results/theirs")
    done = adopt(received)
    assert done.returncode == 1
    assert "results/theirs: is there already, and was not adopted: give another name" in done.stderr
    assert verify(tmp_path / "results/theirs", full=True) == []


@pytest.mark.parametrize("name", ["a-b", "report", "shards", "one\n", "../x"])
def test_a_name_that_is_none_is_refused(received: Path, tmp_path: Path, name: str):
    done = adopt(received, name)
    assert done.returncode == 1
    assert "cannot be a dataset's name: it should have letters, digits and _ only" in done.stderr
    assert not (tmp_path / "results").exists()


def test_what_is_no_shards_is_refused(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    assert "no shards with their manifest" in adopt(tmp_path / "empty").stderr
    assert "there is no such folder" in adopt(tmp_path / "none").stderr


@pytest.mark.slow
def test_snakemake_takes_an_adopted_dataset_as_it_is(made: Path, tmp_path: Path):
    workspace = Workspace(tmp_path)
    train = {"method": "cmp", "train": ["theirs"], "validation": {"share": 0.5}}
    workspace.configure({"theirs": {"source": {"kind": "adopted"}}}, {"first": train})
    refused = workspace.snakemake()
    assert (
        "nothing was adopted as results/theirs: run `python -m pipeline adopt DIR --dataset theirs`" in refused.stderr
    )
    assert "Traceback" not in refused.stderr

    folder = shutil.copytree(made, tmp_path / "received")
    (folder / "000001.tar").unlink()
    assert adopt(folder).returncode == 0
    workspace.configure({"theirs": {"source": {"kind": "adopted"}}}, {"first": train})
    assert workspace.planned("--", "experiments")["train"] == 1
    workspace.configure({"theirs": {"source": {"kind": "adopted"}}})
    before = {path: path.read_bytes() for path in (tmp_path / "results/theirs").rglob("*") if path.is_file()}
    assert workspace.make() == {"contact_sheet": 1, "statistics": 1, "home": 1}
    assert not workspace.planned()
    for number, path in enumerate(sorted(before, reverse=True)):
        os.utime(path, (2e9 - number, 2e9 - number))
    assert set(workspace.planned()) <= {"contact_sheet", "statistics", "home"}
    assert {path: path.read_bytes() for path in (tmp_path / "results/theirs").rglob("*") if path.is_file()} == before
    forced = workspace.snakemake("--force", "results/theirs/shards/cmp/000000.tar")
    assert "No rule to produce results/theirs/shards/cmp/000000.tar" in forced.stderr

    workspace.configure({"theirs": SMALL})
    assert "results/theirs was adopted: set it to adopted" in workspace.snakemake().stderr
    assert read_adopted(tmp_path / "results/theirs") is not None
