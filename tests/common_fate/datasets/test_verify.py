"""Every kind of damage, and that each is reported with a line that says what to do."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from common_fate.datasets.catalog import read_catalog, read_plan, write_catalog, write_plan
from common_fate.datasets.share.share import share
from common_fate.datasets.verify import verify
from common_fate.datasets.verify.manifest import MANIFEST
from common_fate.errors import UserError
from common_fate.manifest.croissant import Publication
from common_fate.shards.codecs import encode
from common_fate.shards.record import Record, file_sha256
from common_fate.shards.tar import BLOCK
from common_fate.shards.writer import write_shard
from tests.support.hostile.tables import change_table
from tests.support.made_dataset import make_dataset, make_manifest, make_view, view_tar


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("verify") / "results/small")


@pytest.fixture
def dataset(made: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return shutil.copytree(made, tmp_path / "results/small")


@pytest.fixture
def view(dataset: Path) -> Path:
    return dataset / "shards/cmp"


@pytest.fixture
def received(made: Path, tmp_path: Path) -> Path:
    """The view as another lab has it: without plan and columns."""
    return shutil.copytree(made / "shards/cmp", tmp_path / "theirs")


def member_start(tar: Path, sample: int) -> int:
    """Where the header of a sample's first member begins."""
    return Record.read(tar.with_suffix(".json")).offsets()[sample][0] - BLOCK


def cut(tar: Path, length: int) -> None:
    tar.write_bytes(tar.read_bytes()[:length])


def flip(tar: Path, byte: int) -> None:
    data = bytearray(tar.read_bytes())
    data[byte] ^= 0x10
    tar.write_bytes(data)


def cut_at_a_member_boundary(tar: Path) -> None:
    cut(tar, member_start(tar, 2))


def cut_inside_a_header(tar: Path) -> None:
    cut(tar, member_start(tar, 2) + 100)


def flip_in_a_header(tar: Path) -> None:
    flip(tar, member_start(tar, 2) + 2)


def flip_in_a_payload(tar: Path) -> None:
    flip(tar, member_start(tar, 2) + BLOCK + 600)


def empty(tar: Path) -> None:
    tar.write_bytes(b"")


def remove(tar: Path) -> None:
    tar.unlink()
    tar.with_suffix(".json").unlink()


def put_another_over_it(tar: Path) -> None:
    for suffix in (".tar", ".json"):
        shutil.copy(tar.with_name("000000.tar").with_suffix(suffix), tar.with_suffix(suffix))


def add_another(tar: Path) -> None:
    for suffix in (".tar", ".json"):
        shutil.copy(tar.with_suffix(suffix), tar.with_name("000003.tar").with_suffix(suffix))


# Each damage, what the line says, and whether quick sees it, by size, count or name.
DAMAGES: dict[Callable[[Path], None], tuple[str, bool]] = {
    cut_at_a_member_boundary: ("cut off", True),
    cut_inside_a_header: ("cut off", True),
    flip_in_a_header: ("sha256 is not its record's), damaged or foreign header", False),
    flip_in_a_payload: ("sha256 is not its record's)", False),
    empty: ("empty", True),
    remove: ("missing", True),
    put_another_over_it: ("foreign: by its record this is shard '000000'", True),
    add_another: ("foreign: no such shard is planned", True),
}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("folder", ["", "shards/cmp", "frames", "flow", "guidance", "truth"])
def test_whole_is_whole(made: Path, folder: str, full: bool):
    assert verify(made / folder, full) == []


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("folder", ["shards/cmp", "frames"])
def test_damage_is_one_line_that_says_what_to_do(
    dataset: Path, folder: str, damage: Callable[[Path], None], full: bool
):
    says, quick = DAMAGES[damage]
    tar = dataset / folder / "000001.tar"
    damage(tar)
    found = verify(dataset / folder, full)
    assert [problem.harmless for problem in found] == ([False] if full or quick else [])
    for problem in found:
        line = str(problem)
        assert line.count("\n") == 0
        assert line.startswith(str(tar.with_name("000003.tar") if damage is add_another else tar) + ": ")
        assert says in line
        if damage is not add_another:
            assert f"run `snakemake --cores all results/small/{folder}/000001.tar` to make it" in line


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_a_view_from_elsewhere_says_to_fetch_it_again(
    received: Path, damage: Callable[[Path], None], full: bool
):
    says, quick = DAMAGES[damage]
    damage(received / "000001.tar")
    found = [str(problem) for problem in verify(received, full)]
    assert len(found) == (1 if full or quick else 0)
    for line in found:
        assert says in line
        assert damage is add_another or "fetch it again" in line


# What the stock reader makes of each: silence, or an exception.
SILENT = {cut_at_a_member_boundary, cut_inside_a_header, flip_in_a_header, flip_in_a_payload, put_another_over_it}


@pytest.mark.parametrize("damage", [damage for damage in DAMAGES if damage is not add_another])
def test_the_stock_reader_passes_over_most_damage_in_silence(view: Path, damage: Callable[[Path], None]):
    """Why there is a verification: webdataset yields what is left, or what is wrong, and says nothing."""
    import webdataset

    damage(view / "000001.tar")
    stream = webdataset.WebDataset(str(view / "000001.tar"), shardshuffle=False)
    if damage in SILENT:
        list(stream)
    else:
        with pytest.raises(Exception):  # noqa: B017, PT011  whichever it is
            list(stream)


def lines(folder: Path, full: bool = False) -> list[str]:
    return [str(problem) for problem in verify(folder, full)]


def test_a_dataset_is_all_its_columns_and_views(dataset: Path):
    flip_in_a_payload(dataset / "frames/000002.tar")
    empty(dataset / "guidance/000000.tar")
    cut_inside_a_header(view_tar(dataset, "000001"))
    found = lines(dataset, full=True)
    assert [line.split(": ")[0] for line in found] == [
        str(dataset / name) for name in ("frames/000002.tar", "guidance/000000.tar", "shards/cmp/000001.tar")
    ]


def test_another_column_s_shard_is_foreign(dataset: Path):
    for suffix in (".tar", ".json"):
        shutil.copy(dataset / f"flow/000001{suffix}", dataset / f"guidance/000001{suffix}")
    (line,) = lines(dataset / "guidance")
    assert "by its record this is a shard of 'flow'" in line


@pytest.mark.parametrize(
    ("damage", "says"), [(lambda path: path.write_text("{}"), "not a shard record"), (Path.unlink, "missing")]
)
def test_a_record_that_is_damaged_or_missing_is_made_again(dataset: Path, damage: Callable[[Path], None], says: str):
    record = dataset / "flow/000001.json"
    damage(record)
    (line,) = lines(dataset / "flow")
    assert line.startswith(f"{record}: {says}")
    assert line.endswith(
        "run `snakemake --cores all results/small/flow/000001.json` to make it" + (" again" * ("not" in says))
    )


def test_a_member_that_was_written_wrong_is_found_by_decoding_it(dataset: Path):
    def facts() -> dict[str, Any]:
        return {"stage": "flow", "version": 1, "options": {}, "inputs": {}}

    write_shard(dataset / "flow/000001.tar", [("bee-000000", {"flow.b2": b"CFF1", "json": b"{}"})], facts)
    assert lines(dataset / "flow") == []
    (line,) = lines(dataset / "flow", full=True)
    assert "'bee-000000.flow.b2' does not decode" in line


def test_a_record_of_other_members_is_found_by_walking(dataset: Path):
    record = dataset / "flow/000001.json"
    record.write_text(record.read_text().replace("bee-000002", "bee-000009"))
    assert lines(dataset / "flow") == []
    (line,) = lines(dataset / "flow", full=True)
    assert "holds 'bee-000002.flow.b2' where its record has 'bee-000009.flow.b2'" in line


def test_leftovers_are_harmless_and_so_is_what_no_reader_looks_at(view: Path):
    (view / ".000001.tar.0123abcd.tmp").touch()
    (view / "notes.txt").touch()
    found = verify(view, full=True)
    assert [(problem.path.name, problem.harmless) for problem in found] == [
        (".000001.tar.0123abcd.tmp", True),
        ("notes.txt", True),
    ]
    assert "left over from a run that was killed" in str(found[0])


@pytest.mark.parametrize("name", ["backup.tar", "000009.json"])
def test_a_tar_or_record_that_is_not_planned_is_foreign(view: Path, name: str):
    (view / name).touch()
    (problem,) = verify(view, full=False)
    assert (problem.path, problem.harmless) == (view / name, False)


def test_a_view_made_from_an_older_column_is_found_in_the_dataset(dataset: Path):
    """Guidance of two shards is made again, other than before; the view's shards are those of before."""
    for shard in ("000000", "000002"):
        tar = dataset / f"guidance/{shard}.tar"
        record = Record.read(tar.with_suffix(".json"))
        samples = [(key, {"guidance.npy": encode("guidance.npy", np.ones((5, 3), np.float32))}) for key in record.keys]
        known = {"stage": "guidance", "version": 2, "options": {}, "inputs": record.inputs}
        write_shard(tar, samples, lambda known=known: known)
    assert lines(dataset / "guidance") == lines(dataset / "shards/cmp") == []
    found = lines(dataset)
    assert len(found) == 2
    for line, shard in zip(found, ("000000", "000002"), strict=True):
        assert line.startswith(
            f"{view_tar(dataset, shard)}: made from another guidance/{shard}.tar than there is now: "
        )
        assert f"snakemake --cores all results/small/shards/cmp/{shard}.tar" in line


def test_shards_of_videos_that_changed_are_found_in_the_dataset(dataset: Path):
    videos = read_catalog(dataset / "catalog.parquet")
    write_catalog(dataset / "catalog.parquet", [*videos[:2], replace(videos[2], bytes=101)])
    assert [line.split(": ")[:2] for line in lines(dataset)] == [
        [str(dataset / column / "000002.tar"), "made from another choice of videos than there is now"]
        for column in ("frames", "truth")
    ]


def test_a_damaged_catalog_is_one_line(dataset: Path):
    (dataset / "catalog.parquet").write_bytes(b"no")
    (line,) = lines(dataset)
    assert "catalog.parquet: not a catalog" in line


def test_a_column_deleted_to_save_space_is_not_missed(dataset: Path):
    shutil.rmtree(dataset / "guidance")
    assert lines(dataset, full=True) == []


def test_a_dataset_that_grew_lacks_its_new_shards_and_their_manifest(dataset: Path):
    write_plan(dataset / "plan.json", [*read_plan(dataset / "plan.json"), ["dog"]])
    found = lines(dataset / "shards/cmp")
    assert f"{dataset}/shards/cmp/shards.parquet: lists other shards than plan.json has" in found[0]
    assert f"{dataset}/shards/cmp/000003.tar: missing" in found[1]


# The manifest.


@pytest.mark.parametrize("name", [*MANIFEST, "videos.parquet"])
def test_a_missing_file_of_the_manifest_is_one_line(view: Path, name: str):
    (view / name).unlink()
    (line,) = lines(view, full=True)
    assert line == f"{view / name}: missing: run `snakemake --cores all results/small/shards/cmp/{name}` to make it"


@pytest.mark.parametrize("name", [*MANIFEST, "videos.parquet"])
def test_a_changed_file_of_the_manifest_is_found_in_full(view: Path, name: str):
    (view / name).write_bytes((view / name).read_bytes() + b"\n")
    assert any(line.startswith(f"{view / name}: ") for line in lines(view, full=True))


@pytest.mark.parametrize(
    "name", ["samples.parquet", "shards.parquet", "videos.parquet", "_info.json", "sizes.json", "SHA256SUMS"]
)
def test_a_file_of_the_manifest_that_is_none_is_found_at_once(view: Path, name: str):
    (view / name).write_bytes(b"no")
    assert lines(view)[0].startswith(f"{view / name}: ")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows[5].update({"jpg.offset": 1}), "shard 000001: another jpg.offset"),
        (lambda rows: rows[5].update({"flow.b2.size": None}), "shard 000001: another flow.b2.size"),
        (lambda rows: rows.pop(5), "shard 000001: 2 samples where it has 3"),
        (lambda rows: rows.pop(7), "shard 000001: 0 failures where it has 1"),
        (lambda rows: rows[5].update(key="bee-000009"), "shard 000001: other keys"),
        (lambda rows: rows[5].update(shard="000009"), "samples of shards that are not planned"),
        (lambda rows: rows[5].update(shard=None), "samples of shards that are not planned"),
    ],
)
def test_rows_that_disagree_with_the_records_are_found(view: Path, change: Callable[[list[Any]], object], says: str):
    change_table(view / "samples.parquet", change)
    found = lines(view)
    assert found[0].startswith(f"{view}/samples.parquet: ")
    assert says in found[0]


def test_a_shard_made_again_without_its_manifest_is_found(dataset: Path):
    record = Record.read(dataset / "guidance/000001.json")
    samples = [(key, {"guidance.npy": encode("guidance.npy", np.ones((5, 3), np.float32))}) for key in record.keys]
    write_shard(
        dataset / "guidance/000001.tar",
        samples,
        lambda: {"stage": "guidance", "version": 2, "options": {}, "inputs": {}},
    )
    make_view(dataset, "000001")
    found = lines(dataset / "shards/cmp")
    assert f"{dataset}/shards/cmp/000001.json: not of the shard that shards.parquet lists (another sha256)" in found[0]
    assert "delete both and run `snakemake --cores all results/small/shards/cmp/shards.parquet`" in found[0]
    make_manifest(dataset)
    assert lines(dataset / "shards/cmp", full=True) == []


@pytest.mark.parametrize("name", ["_info.json", "sizes.json"])
def test_counts_that_other_libraries_would_trust_are_compared(view: Path, name: str):
    text = (view / name).read_text()
    (view / name).write_text(text.replace("3", "4", 1) if name == "sizes.json" else text.replace("11", "12"))
    (line,) = lines(view)
    assert line.startswith(f"{view / name}: does not give the samples of each shard")


def test_a_manifest_s_shard_never_leads_out_of_its_folder(received: Path):
    change_table(received / "shards.parquet", lambda rows: rows[0].update(shard="../secret"))
    found = lines(received)
    assert f"{received}/shards.parquet: not a manifest: '../secret' does not name a shard" in found[0]
    assert not any("secret" in line for line in found[1:])


# Files that are whole and lie: each of them with sums that agree, as whoever changes one makes them.


def changed(name: str, change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], None]:
    return lambda folder: change_table(folder / name, change)


def other_split(folder: Path) -> None:
    info = json.loads((folder / "_info.json").read_text())
    info["splits"]["val"] = info["splits"]["train"] | {"name": "val", "filenames": ["../../../etc/passwd"]}
    (folder / "_info.json").write_text(json.dumps(info))


def put_sums_right(folder: Path) -> None:
    names = [line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    (folder / "SHA256SUMS").write_text("".join(f"{file_sha256(folder / name)}  {name}\n" for name in names))


LIES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a licence of samples": (
        changed("samples.parquet", lambda rows: rows[5].update(license="CC BY")),
        "videos.parquet: has another licence of bee than samples.parquet",
    ),
    "no licence": (
        changed("samples.parquet", lambda rows: rows[7].update(license=None)),
        "videos.parquet: has another licence of bee than samples.parquet",
    ),
    "a licence of videos": (
        changed("videos.parquet", lambda rows: rows[1].update(license="CC BY")),
        "videos.parquet: has another licence of bee than samples.parquet",
    ),
    "an attribution": (
        changed("videos.parquet", lambda rows: rows[1].update(attribution="Me")),
        "videos.parquet: says of a video what is not in its `about`",
    ),
    "no videos": (changed("videos.parquet", list.clear), "videos.parquet: lacks 'ape', of which samples.parquet"),
    "a video twice": (
        changed("videos.parquet", lambda rows: rows.append(rows[0])),
        "videos.parquet: not a manifest: a video stands twice",
    ),
    "samples of another video": (
        changed("samples.parquet", lambda rows: rows[5].update(video="ape")),
        "samples.parquet: disagrees with the record of shard 000001: another video",
    ),
    "a reason": (
        changed("samples.parquet", lambda rows: rows[7].update(failure="")),
        "samples.parquet: disagrees with the record of shard 000001: another failure",
    ),
    "a split of other files": (other_split, "_info.json: does not give the samples of each shard"),
    "what runs, beside a shard": (lambda folder: (folder / "000000.pkl").touch(), "000000.pkl: does not belong here"),
    "a script, beside a shard": (lambda folder: (folder / "000001.sh").touch(), "000001.sh: does not belong here"),
}
TOLD_BY_A_CATALOG: dict[str, tuple[Callable[[Path], object], str]] = {
    "other videos": (
        changed("catalog.parquet", lambda rows: [row.update(video=f"z{row['video']}") for row in rows]),
        "videos.parquet: says other than catalog.parquet of 'zape'",
    ),
    "a video twice": (
        changed("catalog.parquet", lambda rows: rows.append(rows[0])),
        "catalog.parquet: not a catalog (a video stands twice",
    ),
    "more videos": (
        changed("catalog.parquet", lambda rows: rows.append(rows[0] | {"video": "dog"})),
        "videos.parquet: says other than catalog.parquet of 'dog'",
    ),
    "a licence": (
        changed("catalog.parquet", lambda rows: rows[2].update(license="CC BY")),
        "videos.parquet: says other than catalog.parquet of 'cat'",
    ),
}


@pytest.fixture(scope="module")
def given_away(made: Path) -> Path:
    """The view as `share` gives it to another lab: with a catalog."""
    share([made / "shards/cmp"], made.parents[1] / "shared", False, Publication())
    return made.parents[1] / "shared"


@pytest.mark.parametrize("name", LIES)
def test_a_view_that_lies_and_whose_sums_agree_is_found(received: Path, name: str):
    change, says = LIES[name]
    change(received)
    put_sums_right(received)
    (problem,) = verify(received, full=True)
    assert str(problem).startswith(f"{received}/{says}")
    assert not problem.harmless


@pytest.mark.parametrize("name", TOLD_BY_A_CATALOG)
def test_a_catalog_that_disagrees_with_the_manifest_is_found(given_away: Path, tmp_path: Path, name: str):
    change, says = TOLD_BY_A_CATALOG[name]
    folder = shutil.copytree(given_away, tmp_path / "theirs")
    assert verify(folder, full=False) == []
    change(folder)
    put_sums_right(folder)
    (problem,) = verify(folder, full=True)
    assert str(problem).startswith(f"{folder}/{says}")


def test_a_false_sum_before_the_right_one_is_found(received: Path):
    sums = (received / "SHA256SUMS").read_text()
    (received / "SHA256SUMS").write_text(f"{'0' * 64}  000001.tar\n{sums}")
    (line,) = lines(received)
    assert line.startswith(f"{received}/SHA256SUMS: not what `sha256sum -c` reads: '000001.tar' stands twice")


def test_a_plan_with_a_video_twice_is_refused(dataset: Path):
    write_plan(dataset / "plan.json", [["ape"], ["bee"], ["cat", "ape"]])
    with pytest.raises(UserError, match=r"plan\.json: not a plan \(a video stands twice\)"):
        verify(dataset, full=False)


PIXELS = cv2.imencode(".jpg", np.zeros((24, 32, 3), np.uint8))[1].tobytes()
SMALL = cv2.imencode(".jpg", np.zeros((12, 16, 3), np.uint8))[1].tobytes()  # of a video whose frames change in size
STILL = np.zeros((2, 24, 32), np.float32)
TREE = np.array([[0, 1, 0.25, 2], [2, 3, 0.5, 3]], np.float32)  # of three leaves
NAMED = np.array([[-0.5, -0.5, 1], [23.5, 31.5, 1], [-9, 99, 0]], np.float32)  # up to the borders; one is hidden
LABELS = np.indices((24, 32)).sum(axis=0).astype(np.uint8) % 3


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"regions.png": LABELS, "tree.npy": TREE}, None),
        ({"flow.b2": STILL, "next.jpg": PIXELS, "next.flow.b2": STILL, "previous.jpg": SMALL, "json": {}}, None),
        ({"flow.b2": np.zeros((2, 12, 16), np.float32)}, "flow.b2 is 16x12, and jpg 32x24"),
        ({"valid.png": LABELS[:, :31]}, "valid.png is 31x24, and jpg 32x24"),
        ({"truth.flow.b2": np.zeros((2, 24, 33), np.float32)}, "truth.flow.b2 is 33x24, and jpg 32x24"),
        ({"next.regions.png": LABELS.T, "next.jpg": PIXELS}, "next.jpg is 32x24, and next.regions.png 24x32"),
        ({"regions.png": LABELS + np.uint8(1), "tree.npy": TREE}, "regions.png has the label 3, and tree.npy 3 leaves"),
        ({"tree.npy": TREE[:0], "regions.png": LABELS}, "regions.png has the label 2, and tree.npy 1 leaves"),
        ({"guidance.npy": np.array([[23, 31, 1], [24, 0, 1]], np.float32)}, "guidance.npy has points outside of jpg"),
        ({"guidance.npy": np.array([[-1, 31, 1]], np.float32)}, "guidance.npy has points outside of jpg"),
        ({"points.npy": NAMED, "next.points.npy": NAMED[:0], "json": {"landmarks": ["a", "b", "c"]}}, None),
        (
            {"points.npy": NAMED + np.float32([0.1, 0, 0]), "json": {"landmarks": [*"abc"]}},
            "points.npy has points outside",
        ),
        (
            {"points.npy": NAMED - np.float32([0, 0.1, 0]), "json": {"landmarks": [*"abc"]}},
            "points.npy has points outside",
        ),
        ({"points.npy": NAMED, "json": {"landmarks": ["a"]}}, "points.npy has 3 points, and json not as many names"),
        ({"points.npy": NAMED, "json": {}}, "points.npy has 3 points, and json not as many names"),
        ({"json": {"video": "bee"}}, "json says that its video is 'bee', and it is ape"),
        ({"json": {"video": "ape", "frame": 7}}, "json says that its frame is 7, and it is 3"),
        ({"json": {"width": 32, "height": 25}}, "json says that its height is 25, and it is 24"),
    ],
)
def test_members_that_do_not_fit_each_other_are_found(dataset: Path, members: dict[str, Any], says: str | None):
    encoded = {"jpg": PIXELS} | {name: encode(name, value) for name, value in members.items()}
    facts = {"stage": "frames", "version": 1, "options": {}, "inputs": {}}
    write_shard(dataset / "frames/000000.tar", [("ape-000003", encoded)], lambda: facts)
    assert lines(dataset / "frames") == []
    found = lines(dataset / "frames", full=True)
    assert len(found) == (says is not None)
    for line in found:
        assert f"the members of 'ape-000003' do not fit each other: {says}" in line


# What cannot be verified.


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_that_is_none_of_ours_is_refused(tmp_path: Path, name: str):
    with pytest.raises(UserError, match=r"no such folder|not a dataset"):
        verify(tmp_path / name, full=False)


def test_a_file_is_not_called_missing(dataset: Path):
    with pytest.raises(UserError, match=r"plan.json: is not a folder$"):
        verify(dataset / "plan.json", full=False)


def test_a_damaged_plan_is_refused(dataset: Path):
    (dataset / "plan.json").write_text("no")
    with pytest.raises(UserError, match="not a plan"):
        verify(dataset, full=False)
