"""Shards from elsewhere that mean harm, through every reader: refused in a line, with nothing run or written."""

import io
import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from common_fate.datasets.verify import verify
from common_fate.errors import ShardError, UserError
from common_fate.shards.codecs import encode
from common_fate.shards.limits import MAX_MEMBER_BYTES, MAX_SAMPLES
from common_fate.shards.stream import stream_samples
from common_fate.shards.tar import header
from common_fate.shards.writer import write_shard
from tests.support.hostile.files import hostile_files
from tests.support.hostile.manifests import hostile_manifests
from tests.support.hostile.members import hostile_members
from tests.support.hostile.records import GIGABYTE, hostile_records
from tests.support.hostile.tables import put_column, same_rows
from tests.support.hostile.tars import hostile_headers, put_header
from tests.support.hostile.view import KEYS, change_record, good_members, make_view
from tests.support.made_dataset import make_dataset
from tests.support.read_everything import command

pytestmark = pytest.mark.faults

READER = Path(__file__).resolve().parents[2] / "support" / "read_everything.py"
SECONDS = 30
EVERY = ("shard", "dataset", "stream", "verify", "verify --full", "stats", "show", "stage")


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """All there is in a folder, with sizes and times of change; links are not followed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        found[str(path)] = (about.st_size, about.st_mtime_ns)
    return found


def read_everything(root: Path, folders: Iterable[Path]) -> dict[str, dict[str, dict[str, Any]]]:
    """What came of each folder through each door, in a process with little memory to spare. Checks what holds for all:
    nothing crashed, ran, was written elsewhere, took long, or reached the terminal as an escape."""
    out = root / "out"
    out.mkdir()
    before = {name: about for name, about in tree(root).items() if not name.startswith(str(out))}
    done = subprocess.run(
        [sys.executable, READER, out, *folders],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        assert row["ended"] != "crashed", f"{row['folder']}, {row['door']}:\n{row['said']}"
        assert row["seconds"] < SECONDS, (row["folder"], row["door"], row["seconds"])
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", row["said"].replace("\r", "")), repr(row["said"])
        found.setdefault(row["folder"], {})[row["door"]] = row
    after = {name: about for name, about in tree(root).items() if not name.startswith(str(out))}
    assert after == before
    return found


def said(found: dict[str, dict[str, Any]], doors: Iterable[str], what: str) -> None:
    for door in doors:
        row = found[door]
        assert row["ended"] == "refused", f"{row['folder']}, {door}: {row['ended']}: {row['said']}"
        assert re.search(what, row["said"]), f"{row['folder']}, {door}: {row['said']}"


@pytest.mark.slow
def test_what_is_odd_and_no_harm_is_read_and_told(tmp_path: Path):
    make_view(tmp_path / "good")
    link = make_view(tmp_path / "link")
    (link / "000000.tar").rename(tmp_path / "elsewhere.tar")
    (link / "000000.tar").symlink_to("../elsewhere.tar")
    names = make_view(tmp_path / "names")
    for name in ("\x1b[2J.tar", "\x1b]0;owned\x07.txt", "a\rb.txt", "\udcff\udcfe.tar", "\u202egpj.txt"):
        (names / name).touch()
    texts = make_view(tmp_path / "texts")
    failure = {"key": "cow-000000", "stage": "\x1b[1A", "reason": "\x1b[2K\x9b\nerror: none\u202e" + "x" * 1000}
    change_record(texts, failures=[failure], options={"estimator": "\x1b[2J"}, stage="\x07cmp")
    found = read_everything(tmp_path, [tmp_path / name for name in ("good", "link", "names", "texts")])
    assert {door: row["ended"] for door, row in found["good"].items()} == dict.fromkeys(EVERY, "read")
    assert {door: row["ended"] for door, row in found["link"].items()} == dict.fromkeys(EVERY, "read")
    assert "000000.tar: a link out of the folder, to '../elsewhere.tar'" in found["link"]["verify"]["said"]
    said(found["names"], ("verify",), r"\\x1b\[2J\.tar: foreign")
    said(found["names"], ("verify",), r"\\udcff\\udcfe\.tar: foreign")
    assert r"\x1b[2K\x9b error: none\u202e" in found["texts"]["stats"]["said"]


@pytest.mark.slow
def test_hostile_members(tmp_path: Path):
    members = hostile_members(str(tmp_path / "ran"))
    folders = [make_view(tmp_path / name, {extension: data}) for name, (extension, data, _) in members.items()]
    found = read_everything(tmp_path, folders)
    for name, (extension, _, says) in members.items():
        said(found[name], ("shard", "dataset", "stream", "verify --full", "show", "stage"), says)
        said(found[name], ("shard", "dataset", "stream", "verify --full", "show"), rf"000000\.tar: .*{KEYS[1]}")
        said(found[name], ("dataset", "stream", "verify --full"), re.escape(extension))


@pytest.mark.slow
def test_hostile_headers_in_tars_whose_sums_agree(tmp_path: Path):
    headers = hostile_headers()
    folders = [make_view(tmp_path / name) for name in headers]
    for folder, block in zip(folders, headers.values(), strict=True):
        put_header(folder, block)
    found = read_everything(tmp_path, folders)
    for name in headers:
        said(found[name], ("shard", "dataset", "stream", "verify --full", "show", "stage"), r"000000\.tar: ")
    for name in ("link", "hard link", "device", "pipe", "folder", "PAX header", "GNU long name", "GNU sparse file"):
        said(found[name], ("shard", "stream", "verify --full"), "foreign header")
        said(found[name], ("shard", "stream", "verify --full"), "a (long )?" + name.removeprefix("a ").split()[0])


@pytest.mark.slow
def test_hostile_records(tmp_path: Path):
    records = hostile_records()
    folders = [make_view(tmp_path / name) for name in records]
    for folder, (change, _) in zip(folders, records.values(), strict=True):
        change(folder)
    found = read_everything(tmp_path, folders)
    for name, (_, says) in records.items():
        said(found[name], ("shard", "verify", "verify --full", "show", "stage"), says)
        said(found[name], ("shard", "verify", "show", "stage"), r"000000\.(json|tar)")
        # The manifest is whole, so these two never look at the record; statistics need nothing but the record.
        assert {found[name][door]["ended"] for door in ("dataset", "stream")} == {"read"}
        if name != "another's shard":
            said(found[name], ("stats",), says)


@pytest.mark.slow
def test_hostile_manifests(tmp_path: Path):
    manifests = hostile_manifests(str(tmp_path / "ran"))
    folders = [make_view(tmp_path / name) for name in manifests]
    for folder, (change, _) in zip(folders, manifests.values(), strict=True):
        change(folder)
    found = read_everything(tmp_path, folders)
    for name, (_, says) in manifests.items():
        if name in ("a type that runs", "a file that leads out"):
            assert found[name]["dataset"]["ended"] == "read"
        else:
            said(found[name], ("dataset",), says)
            said(found[name], ("dataset", "verify"), r"(samples|shards)\.parquet: ")
        assert {found[name][door]["ended"] for door in ("shard", "show", "stage", "stats")} == {"read"}


@pytest.mark.slow
def test_hostile_files(tmp_path: Path):
    files = hostile_files(tmp_path / "outside")
    folders = [make_view(tmp_path / name) for name in files]
    for folder, (change, _, _) in zip(folders, files.values(), strict=True):
        change(folder)
    found = read_everything(tmp_path, folders)
    for name, (_, file, says) in files.items():
        said(found[name], ("verify", "verify --full"), rf"{re.escape(file)}: .*{says}")
        readers = {
            "000000.tar": ("shard", "dataset", "stream", "show", "stage"),
            "000000.json": ("shard", "show", "stage", "stats"),
            "samples.parquet": ("dataset",),
            "shards.parquet": ("dataset", "stream"),
        }
        said(found[name], readers.get(file, ()), re.escape(file.partition(".")[0]))


# Datasets.


def dataset(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "results/small")


PLANS = {
    "1 GB": (lambda path: os.truncate(path, GIGABYTE), "larger than"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "not a regular file"),
    "deep": (lambda path: path.write_bytes(b'{"shards": ' + b"[" * 10**4), "deeply"),
    "no lists": (lambda path: path.write_text('{"shards": {"a": 1}}'), "lists of videos"),
    "words for lists": (lambda path: path.write_text('{"shards": ["ape", "bee"]}'), "lists of videos"),
    "numbers for videos": (lambda path: path.write_text('{"shards": [[1]]}'), "must be text"),
    "videos that lead out": (lambda path: path.write_text('{"shards": [["../../x"]]}'), "'../../x'"),
    "videos of escapes": (lambda path: path.write_text('{"shards": [["\\u001b[2J"]]}'), "x1b"),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_hostile_plan_is_refused_by_every_command(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]):
    change, says = PLANS[name]
    folder = dataset(tmp_path)
    change(folder / "plan.json")
    for words in (
        ("verify", folder),
        ("stats", folder),
        ("manifest", folder / "shards/cmp", "--plan", folder / "plan.json"),
        ("frames", folder / "plan.json", "--to", tmp_path / "out/000000.tar"),
    ):
        if (name, words[0]) == ("1 GB", "frames"):
            continue  # a job reads the line of its shard alone
        with pytest.raises(UserError, match=r"plan\.json: (not a plan|cannot be read).*" + says):
            command(*map(str, words))
    assert "\x1b" not in capsys.readouterr().out


CATALOGS = {
    "a million rows in runs": (lambda path: same_rows(path, 1_000_000), "far more than there can be"),
    "numbers for addresses": (lambda path: put_column(path, "uri", pa.array([1, 2, 3])), "not of text"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "not a regular file"),
    "nothing": (lambda path: path.write_bytes(b""), "does not end like"),
}


@pytest.mark.parametrize("name", CATALOGS)
def test_a_hostile_catalog_is_refused(tmp_path: Path, name: str):
    change, says = CATALOGS[name]
    folder = dataset(tmp_path)
    change(folder / "catalog.parquet")
    with pytest.raises(UserError, match=r"catalog\.parquet: not a catalog \(.*" + says):
        command("frames", str(folder / "plan.json"), "--to", str(tmp_path / "out/000000.tar"))
    (problem,) = verify(folder, full=False)
    assert re.search(says, str(problem))


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"next": "../../x"}, r"next is '\.\./\.\./x'"),
        ({"next": -1}, "next is -1"),
        ({"next": 10**15}, "next is 1000000000000000"),
        ({"next": [1]}, r"next is \[1\]"),
        ({}, "next is 'nothing'"),
        ({"next": 9}, "has no sample 'ape-000009'"),
    ],
)
def test_a_frame_whose_neighbour_is_none_stops_its_stage(tmp_path: Path, facts: dict[str, Any], says: str):
    frame = {"jpg": good_members()["jpg"], "json": encode("json", {"video": "ape", "previous": None} | facts)}
    about = {"stage": "frames", "version": 1, "options": {}, "inputs": {}}
    write_shard(tmp_path / "frames/000000.tar", [("ape-000000", frame)], lambda: about)
    with pytest.raises(UserError, match=r"frames/000000\.tar: .*" + says):
        command("flow", str(tmp_path / "frames/000000.tar"), "--to", str(tmp_path / "flow/000000.tar"))
    assert not list(tmp_path.glob("flow/*"))


def test_a_million_members_on_the_way_are_left_at_the_first_that_is_too_many():
    class Endless:
        asked = 0

        def read(self, count: int) -> bytes:
            self.asked += count > 0
            return header(f"ape-{self.asked:06d}.json", 0)[:count]

    for promised, read in ((1000, 1001), (MAX_SAMPLES, MAX_SAMPLES + 1), (10**6, 0)):
        source = Endless()
        with pytest.raises(ShardError, match=r"x\.tar: .*(after the|at most)"):
            deque(stream_samples(source, "x.tar", 2**60, promised, ""), maxlen=0)
        assert source.asked == read


def test_samples_without_end_are_refused():
    def members(count: int, size: int) -> bytes:
        blocks = [header(f"ape-000000.{chr(97 + n // 26)}{chr(97 + n % 26)}.jpg", size) for n in range(count)]
        return bytes(size).join(blocks) + bytes(size)

    for data in (members(65, 0), members(5, MAX_MEMBER_BYTES["jpg"])):
        with pytest.raises(ShardError, match="a sample of more than"):
            list(stream_samples(io.BytesIO(data), "x.tar", 2**60, 1, ""))


def test_a_shard_of_more_samples_than_a_reader_takes_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("common_fate.shards.writer.MAX_SAMPLES", 2)
    samples = [(f"ape-{number:06d}", {"json": b"{}"}) for number in range(3)]
    with pytest.raises(UserError, match="at most 2 samples: take fewer frames of each video"):
        write_shard(tmp_path / "000000.tar", samples, dict)
    assert not list(tmp_path.iterdir())
