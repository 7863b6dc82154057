"""A shared folder, used as another lab would: without this project, with other libraries, and with our reader."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from markdown_it import MarkdownIt

from common_fate.datasets.catalog import Video, read_catalog, read_plan, write_catalog
from common_fate.datasets.share.card import card
from common_fate.datasets.share.description import Shared
from common_fate.manifest.croissant import Publication
from common_fate.manifest.samples import read_samples
from common_fate.shards.codecs import encode
from common_fate.shards.record import Record, record_path
from common_fate.shards.writer import write_shard
from common_fate.torch import ShardDataset
from tests.support.made_dataset import LOST, PAIRS, SHARDS, VIDEOS, make_dataset, make_manifest, points, true_flow
from tests.support.sharing_commands import Done, content, flip, pipeline
from tests.support.workspace import ROOT

MADE = 3 * PAIRS - 1
KNOWN = ("--licence", "CC0-1.0", "--url", "https://example.org/small", "--cite", "A. Nyone, 2030")
PUBLISHED = ("--published", "2030-01-31")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("share") / "results/small")


@pytest.fixture(scope="module")
def shared(made: Path) -> Path:
    """The view, shared; not to be changed."""
    folder = made.parent.parent / "shared"
    done = share(made / "shards/cmp", to=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture
def dataset(made: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return shutil.copytree(made, tmp_path / "results/small")


def share(*sources: object, to: Path) -> Done:
    return pipeline(to.parent, "share", *sources, "--to", to)


def test_sha256sum_and_verify_accept_it(shared: Path):
    sums = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=shared, capture_output=True)
    assert sums.returncode == 0, sums.stderr
    assert len(sums.stdout.splitlines()) == len(content(shared)) - 1, "every file has its sum, but for the sums"
    verified = pipeline(shared.parent, "verify", "--full", shared)
    assert (verified.returncode, verified.stdout) == (0, f"{shared}: in order\n")


def test_hugging_face_streams_it(shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    stream = load_dataset(
        "webdataset", data_files=f"{shared}/*.tar", streaming=True, split="train", cache_dir=str(tmp_path)
    )
    read = list(stream)
    assert [sample["__key__"] for sample in read] == ShardDataset(shared).keys.to_pylist()
    assert {sample["jpg"].size for sample in read} == {(64, 48)}
    assert read[0]["json"]["video"] == "ape"
    by_card = load_dataset(str(shared), streaming=True, split="train", cache_dir=str(tmp_path))
    assert next(iter(by_card))["__key__"] == "ape-000000"


def test_plain_webdataset_reads_it(shared: Path):
    import webdataset

    read = list(webdataset.WebDataset(f"{shared}/{{000000..000002}}.tar", shardshuffle=False).decode("rgb8"))
    assert len(read) == MADE
    assert read[0]["jpg"].shape == (48, 64, 3)
    np.testing.assert_array_equal(read[2]["guidance.npy"], points(0, 2))


def test_timm_reads_it_as_the_document_says(shared: Path):
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/sharing.md").read_text(), re.DOTALL | re.MULTILINE)
    assert '"DIR"' in code
    found: dict[str, Any] = {}
    exec(code.replace('"DIR"', repr(str(shared))), found)
    read = list(found["dataset"])
    assert len(found["dataset"]) == len(read) == MADE
    assert found["dataset"].reader.split_info.shard_lengths == (4, 3, 4)
    assert [target for _, target in read] == [0, 1, 2, 3, 0, 2, 3, 0, 1, 2, 3]
    assert {image.size for image, _ in read} == {(64, 48)}


@pytest.mark.parametrize("shard", [0, 1])
def test_a_shard_without_samples_stays_and_what_is_shared_loads_everywhere(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard: int
):
    import webdataset
    from datasets import load_dataset
    from open_clip_train.data import get_dataset_size
    from timm.data.readers.reader_wds import ReaderWds

    out, gone = tmp_path / "out", {"key": VIDEOS[shard], "stage": "frames", "reason": "the file is empty"}
    assert share(dataset / "shards/cmp", to=out).returncode == 0
    empty(dataset, shard, gone)
    assert len(list(ReaderWds(str(dataset / "shards/cmp"), split="train", target_key="frame"))) in (7, 8)
    assert share(dataset / "shards/cmp", to=out).returncode == 0
    kept = [name for number, name in enumerate(SHARDS) if number != shard]
    assert sorted(path.stem for path in out.glob("*.tar")) == kept
    assert pipeline(tmp_path, "verify", "--full", "out").returncode == 0
    keys = ShardDataset(out, check_sums=True).keys.to_pylist()
    assert {key.partition("-")[0] for key in keys} == {*VIDEOS} - {VIDEOS[shard]}

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    stream = {"streaming": True, "split": "train", "cache_dir": str(tmp_path)}
    assert [sample["__key__"] for sample in load_dataset("webdataset", data_files=f"{out}/*.tar", **stream)] == keys
    assert [sample["__key__"] for sample in load_dataset(str(out), **stream)] == keys
    tars = sorted(map(str, out.glob("*.tar")))
    assert [sample["__key__"] for sample in webdataset.WebDataset(tars, shardshuffle=False)] == keys
    assert len(list(ReaderWds(str(out), split="train", target_key="frame"))) == len(keys)
    assert get_dataset_size(f"{out}/{{{','.join(kept)}}}.tar") == (len(keys), 2)

    rows = [row for row in read_samples(out).to_pylist() if row["failure"]]
    assert (VIDEOS[shard], "frames", "the file is empty") in [(r["key"], r["stage"], r["failure"]) for r in rows]
    assert re.search(rf"\| frames +\| the file is empty +\| +1 \| {VIDEOS[shard]}", (out / "README.md").read_text())
    assert pipeline(tmp_path, "adopt", out, "--dataset", "theirs").returncode == 0
    assert pipeline(tmp_path, "verify", "--full", "results/theirs").returncode == 0
    assert VIDEOS[shard] in chain.from_iterable(read_plan(tmp_path / "results/theirs/plan.json"))


def empty(dataset: Path, shard: int, gone: dict[str, str]) -> None:
    """A shard whose video is gone, in every column and the view."""
    for part in ("frames", "flow", "guidance", "truth", "shards/cmp"):
        tar = dataset / part / f"{SHARDS[shard]}.tar"
        old = Record.read(record_path(tar))
        facts = {name: getattr(old, name) for name in ("stage", "version", "options", "inputs")}
        told = [gone] if part in ("frames", "shards/cmp") else []
        write_shard(tar, (), lambda facts=facts, told=told: facts | {"failures": told})
    make_manifest(dataset)


def test_nothing_is_shared_of_a_view_without_samples(dataset: Path, tmp_path: Path):
    for shard in range(3):
        empty(dataset, shard, {"key": VIDEOS[shard], "stage": "frames", "reason": "the file is empty"})
    done = share(dataset / "shards/cmp", to=tmp_path / "out")
    assert done.stderr.endswith("cmp: has no sample in any of its shards: there is nothing to share")


def test_our_reader_reads_it(shared: Path, made: Path):
    ours, theirs = ShardDataset(made / "shards/cmp"), ShardDataset(shared, check_sums=True)
    assert len(theirs) == MADE
    for sample, other in zip((ours[i] for i in range(MADE)), (theirs[i] for i in range(MADE)), strict=True):
        assert sample["key"] == other["key"]
        assert (sample["image"] == other["image"]).all()


def snippet(card: str) -> str:
    """The code that the card gives."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)
    return code


def run_alone(folder: Path, code: str) -> str:
    """Runs Python that cannot import this project, in a folder; what it prints."""
    alone = "import importlib.util\nassert not any(map(importlib.util.find_spec, ('pipeline', 'trainers')))\n"
    done = subprocess.run([sys.executable, "-I", "-c", alone + code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_cards_snippet_decodes_every_sample_without_this_project(shared: Path, tmp_path: Path):
    code = snippet((shared / "README.md").read_text())
    keep = f'    np.save("{tmp_path}/" + sample["__key__"], sample["flow.b2"])\n'
    printed = run_alone(shared, code + keep)
    assert printed.splitlines()[0] == "ape-000000 ['flow.b2', 'guidance.npy', 'jpg', 'json']"
    assert len(printed.splitlines()) == MADE
    flow = true_flow(1, 2)
    np.testing.assert_array_equal(np.load(tmp_path / "bee-000002.npy"), flow + 0.5 * (flow > 0))


def warnings_of(folder: Path) -> set[str]:
    """What mlcroissant's validation recommends; nothing may be wrong."""
    from mlcroissant import Dataset

    issues = Dataset(folder / "croissant.json").metadata.issues
    assert not issues.errors
    return {warning.split('"')[1] for warning in issues.warnings}


def test_croissant_is_valid_and_complete_once_the_date_is_told(shared: Path, dataset: Path, tmp_path: Path):
    assert warnings_of(shared) == {"https://schema.org/datePublished"}
    assert share(dataset / "shards/cmp", *KNOWN, *PUBLISHED, to=tmp_path / "out").returncode == 0
    assert warnings_of(tmp_path / "out") == set()
    card = (tmp_path / "out/README.md").read_text()
    assert "These shards as a whole: CC0-1.0." in card
    assert "## Cite it\n\n```\nA. Nyone, 2030\n```" in card


def test_the_card_counts_licences_by_source_and_tells_how_it_was_made(dataset: Path, tmp_path: Path):
    videos = read_catalog(dataset / "catalog.parquet")
    others = [Video("ape", "frames", '{"folder": "/home/ann/ape"}', None, 7), *videos[1:]]
    write_catalog(dataset / "catalog.parquet", others)
    assert share(dataset / "shards/cmp", to=tmp_path / "out").returncode == 0
    card = (tmp_path / "out/README.md").read_text()
    assert re.search(r"\| frames +\| not stated +\| +1 \| +0 \|\n\| videos +\| CC0 +\| +2 \| +1 \|", card)
    assert '- flow: `{"estimator": "dis", "preset": "medium"}`' in card
    assert re.search(rf"\| flow +\| not finite +\| +1 \| {LOST}", card)
    assert f"\n{MADE} samples in 3 shards" in card
    assert cv2.imread(str(tmp_path / "out/contact_sheet.jpg")).shape[1] <= 1200


def test_what_strangers_wrote_is_text_on_the_cards(dataset: Path, tmp_path: Path):
    """Licences come from web pages, reasons, options and versions from shards that were made elsewhere."""
    evil = "<img src=x onerror=alert(1)> [a](https://b) ![c](https://d) `e` <!-- & |\n\n# f"
    videos = [replace(video, license=evil) for video in read_catalog(dataset / "catalog.parquet")]
    write_catalog(dataset / "catalog.parquet", videos)
    for path in (dataset / "shards/cmp").glob("0*.json"):
        record = Record.read(path)
        failures = [row | {"reason": evil} for row in record.failures]
        options = {"flow": {"estimator": f"`{evil}"}, evil: {}}
        replace(record, options=options, failures=failures, software={"cv2": evil}).write(path)
    make_manifest(dataset)
    assert share(dataset / "shards/cmp", to=tmp_path / "out").returncode == 0
    for path in (tmp_path / "out/README.md", dataset / "shards/cmp/README.md"):
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(path.read_text().split("---\n")[-1])
        inline = [token for block in tokens for token in block.children or []]
        assert not [token.content for token in [*tokens, *inline] if token.type.startswith(("html", "link"))]
        assert {token.attrs["src"] for token in inline if token.type == "image"} <= {"contact_sheet.jpg"}
        shown = ["".join(token.content for token in block.children or []) for block in tokens]
        assert " ".join(evil.split()) in shown
        assert "f" not in shown
    assert sum(" ".join(evil.split()) in text for text in shown) == 1


def test_one_shard_is_counted_as_one(made: Path):
    record = Record.read(made / "shards/cmp/000000.json")
    text = card(
        Shared("small", ("cmp",)), {".": [record]}, read_catalog(made / "catalog.parquet"), [], [], Publication()
    )
    assert f"\n{record.samples} samples in 1 shard, " in text


def test_no_place_on_this_machine_travels(dataset: Path, tmp_path: Path):
    """Paths in options, in reasons and in the catalog: only file names leave."""
    write_catalog(
        dataset / "catalog.parquet",
        [
            Video(video.video, video.kind, f"/home/ann/{video.video}.mp4")
            for video in read_catalog(dataset / "catalog.parquet")
        ],
    )
    for record in (dataset / "shards/cmp").glob("0*.json"):
        text = record.read_text().replace('"medium"', '"/home/ann/net.pth"')
        record.write_text(text.replace("not finite", "OSError: cannot open '/home/ann/clips/bee.mp4': gone"))
    assert share(dataset / "shards/cmp", to=tmp_path / "out").returncode == 0
    everything = b"".join(content(tmp_path / "out").values())
    assert b"home" not in everything
    assert os.fsencode(tmp_path) not in everything
    assert b'"net.pth"' in everything
    assert b"OSError: cannot open 'bee.mp4': gone" in everything
    assert pipeline(tmp_path, "verify", "--full", "out").returncode == 0


def test_sharing_again_changes_nothing(dataset: Path, tmp_path: Path):
    assert share(dataset / "shards/cmp", to=tmp_path / "out").returncode == 0
    before = content(tmp_path / "out")
    assert share(dataset / "shards/cmp", to=tmp_path / "out").returncode == 0
    assert content(tmp_path / "out") == before
    flip(tmp_path / "out/000001.tar", 2000)
    assert share(dataset / "shards/cmp", to=tmp_path / "out").returncode == 0
    assert content(tmp_path / "out") == before, "what was damaged is put right"


def test_a_folder_with_something_else_in_it_is_left_alone(dataset: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("years of work")
    refused = share(dataset / "shards/cmp", to=tmp_path / "out")
    assert (
        refused.stderr
        == f"error: {tmp_path}/out: holds something else (thesis.tex): name a new or empty folder with --to"
    )
    assert set(content(tmp_path / "out")) == {"thesis.tex"}
    assert share(dataset / "shards/cmp", to=tmp_path / "cmp").returncode == 0
    before = content(tmp_path / "cmp")
    assert "holds small (cmp) already" in share(dataset / "frames", to=tmp_path / "cmp").stderr
    assert content(tmp_path / "cmp") == before
    assert "lies in a dataset's own folder" in share(dataset / "shards/cmp", to=dataset / "shards/cmp").stderr


@pytest.mark.parametrize("source", ["shards/cmp", "flow"])
@pytest.mark.parametrize("write", [1, 3, 6, 12, 17, 20])
def test_a_share_that_was_cut_off_never_verifies_and_is_finished_by_sharing_again(
    dataset: Path, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, write: int
):
    """Cut off at its n-th write of a file."""
    from common_fate.shards import files

    writes = 0
    replaced = os.replace

    def failing(one: Any, other: Any) -> None:
        nonlocal writes
        writes += 1
        if writes == write:
            raise KeyboardInterrupt
        replaced(one, other)

    monkeypatch.setattr(files.os, "replace", failing)
    with contextlib.suppress(KeyboardInterrupt):
        share(dataset / source, to=tmp_path / "out")
    monkeypatch.undo()
    if writes == write:
        assert pipeline(tmp_path, "verify", "--full", "out").returncode == 1
    assert share(dataset / source, to=tmp_path / "out").returncode == 0
    assert pipeline(tmp_path, "verify", "--full", "out").returncode == 0
    if source == "shards/cmp":
        assert content(tmp_path / "out") == content(shared)


def test_damage_is_never_passed_on(dataset: Path, tmp_path: Path):
    flip(dataset / "shards/cmp/000001.tar", 2000)
    done = share(dataset / "shards/cmp", to=tmp_path / "out")
    assert "000001.tar: its bytes changed since it was written" in done.stderr
    assert not (tmp_path / "out/000001.tar").exists()
    assert pipeline(tmp_path, "verify", "out").returncode == 1
    (dataset / "shards/cmp/000001.json").unlink()
    assert (
        "000001.json: missing: the shard is not finished" in share(dataset / "shards/cmp", to=tmp_path / "out").stderr
    )


def test_what_cannot_be_shared_is_told(dataset: Path, tmp_path: Path):
    for sources, says in (
        ((dataset,), "neither a view (results/NAME/shards/VIEW) nor a column (results/NAME/COLUMN)"),
        ((dataset / "shards/cmp", dataset / "flow"), "cmp has pixels and is shared by itself"),
        ((dataset / "frames", "--without-pixels"), "frames are pixels"),
    ):
        assert says in share(*sources, to=tmp_path / "out").stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["catalog.parquet", "contact_sheet.jpg", "share.json"])
def test_verify_misses_what_a_share_has_beside_its_manifest(shared: Path, tmp_path: Path, name: str):
    folder = shutil.copytree(shared, tmp_path / "copy")
    flip(folder / name, 30)
    assert pipeline(tmp_path, "verify", "--full", folder).returncode == 1
    (folder / name).unlink()
    assert pipeline(tmp_path, "verify", folder).returncode == 1


def test_a_shared_view_is_adopted(shared: Path, tmp_path: Path):
    assert pipeline(tmp_path, "adopt", shared, "--dataset", "theirs").returncode == 0
    assert pipeline(tmp_path, "verify", "--full", "results/theirs").returncode == 0
    assert {video.license for video in read_catalog(tmp_path / "results/theirs/catalog.parquet")} == {"CC0"}


def test_shared_frames_are_adopted_and_so_is_an_adopted_view_shared_on(dataset: Path, shared: Path, tmp_path: Path):
    assert share(dataset / "frames", to=tmp_path / "out").returncode == 0
    assert pipeline(tmp_path, "adopt", "out", "--dataset", "stills").returncode == 0
    assert pipeline(tmp_path, "verify", "--full", "results/stills").returncode == 0
    assert pipeline(tmp_path, "adopt", shared, "--dataset", "theirs").returncode == 0
    assert share("results/theirs/shards/cmp", to=tmp_path / "again").returncode == 0
    assert pipeline(tmp_path, "verify", "--full", "again").returncode == 0
    assert (tmp_path / "again/000001.tar").read_bytes() == (shared / "000001.tar").read_bytes()


def test_a_column_and_a_view_of_ones_own_are_shared_described_and_checked(dataset: Path, tmp_path: Path):
    dark = np.full((8, 8), 3, np.uint8)
    for shard in ("000000", "000001", "000002"):
        frames = Record.read(dataset / f"frames/{shard}.json")
        facts = {"stage": "dark", "version": 1, "options": {"below": 9}, "inputs": {"frames": frames.sha256}}
        samples = [(key, {"dark.png": encode("dark.png", dark)}) for key in frames.keys]
        write_shard(dataset / f"dark/{shard}.tar", samples, lambda facts=facts: facts)
    assert pipeline(tmp_path, "verify", "--full", dataset).returncode == 0
    assert share(dataset / "guidance", dataset / "dark", to=tmp_path / "out").returncode == 0
    card = (tmp_path / "out/README.md").read_text()
    assert "small (dark, guidance)" in card
    assert '- dark: `{"below": 9}`' in card
    assert re.search(r"`\.dark\.png` +\| labels", card)
    assert pipeline(tmp_path, "verify", "--full", tmp_path / "out").returncode == 0
    refused = pipeline(tmp_path, "adopt", tmp_path / "out", "--dataset", "theirs", "--videos", tmp_path)
    assert "has a column 'dark', which no stage here makes" in refused.stderr
