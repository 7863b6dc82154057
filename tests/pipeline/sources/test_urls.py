"""Tables of addresses, from wherever they come."""

import csv
import gzip
import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common_fate.datasets.catalog import Video, read_catalog, write_catalog
from common_fate.errors import SampleError, UserError
from common_fate.foreign.parquet import read_parquet
from pipeline.config.load import load
from pipeline.downloads.policy import DownloadPolicy
from pipeline.sources.urls import SOURCE

SUM = "ab" * 32


def listed(path: Path, **options: Any) -> list[Video]:
    config = {"datasets": {"x": {"source": {"kind": "urls", "path": str(path), **options}}}}
    return load(config)["x"].videos()


def table(folder: Path, name: str, rows: list[dict[str, str]]) -> Path:
    path = folder / name
    kind = name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    text = io.StringIO(newline="")
    if kind == "jsonl":
        text.writelines(json.dumps(row) + "\n" for row in rows)
    else:
        writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return path


def test_a_row_becomes_a_video(tmp_path: Path):
    row = {
        "address": "https://lab.org/a%20b.mp4",
        "name": "a b",
        "terms": "CC BY 4.0",
        "sum": SUM.upper(),
        "size": "12",
    }
    path = table(tmp_path, "t.csv", [row | {"title": " A\x00\x1b[31m title\n" + 2000 * "x", "note": ""}])
    columns = {"column": "address", "id": "name", "license_column": "terms", "sha256": "sum", "bytes": "size"}
    (video,) = listed(path, license="unknown", **columns)
    assert (video.kind, video.license, video.bytes) == ("urls", "CC BY 4.0", None)
    assert video.video.startswith("a_b_")
    assert json.loads(video.uri) == {"address": "https://lab.org/a%20b.mp4", "bytes": 12, "sha256": SUM}
    about = json.loads(video.about or "")
    assert list(about) == ["title"]
    assert about["title"].startswith("A [31m title xxx")
    assert len(about["title"]) == 1000
    assert about["title"].isprintable()


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(
    st.fixed_dictionaries({"url": st.sampled_from("abcdefgh"), "license": TEXT, "title": TEXT, "n": st.integers(0, 9)}),
    min_size=1,
    max_size=6,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_every_kind_of_table_gives_the_same_catalog(tmp_path: Path, rows: list[dict[str, Any]]):
    rows = [row | {"url": f"http://lab.org/{row['url']}.mp4"} for row in rows]
    names = ("t.csv", "t.tsv", "t.jsonl", "t.jsonl.gz", "t.csv.gz", "t.parquet")
    catalogs = [listed(table(tmp_path, name, rows), license_column="license") for name in names]
    assert all(catalog == catalogs[0] for catalog in catalogs)
    assert len(catalogs[0]) == len({row["url"] for row in rows})  # an address twice is one video
    assert len({video.video for video in catalogs[0]}) == len(catalogs[0])
    write_catalog(tmp_path / "catalog.parquet", catalogs[0])
    assert read_catalog(tmp_path / "catalog.parquet") == catalogs[0]


HTTP = "http://lab.org/a.mp4"


@pytest.mark.parametrize(
    ("name", "data", "options", "said"),
    [
        ("t.csv", b"url\nclips/a.mp4\n", {}, "row 2: 'clips/a.mp4': not an address: it should begin with http://"),
        ("t.csv", b"url\nfile:a.mp4\n", {}, "row 2: .*: a file's address has its whole path: file:///data"),
        ("t.csv", b"url\nhttp:///a.mp4\n", {}, "row 2: .*: it names no host"),
        ("t.csv", b"url\nhttp://me:secret@lab.org/a\n", {}, "row 2: .*: it has a user or a password"),
        ("t.csv", b"url\nhttp://[a.mp4\n", {}, "row 2: 'http://.a.mp4': Invalid IPv6"),
        ("t.csv", b"url\nhttp://a/\x00b\n", {}, r"row 2: 'http://a/\\x00b': spaces, or what cannot be printed"),
        ("t.csv", b"url,b\nhttp://a/b,1\n,2\n", {}, "row 3: no address in the column 'url'"),
        ("t.csv", b"link\nhttp://a/b\n", {}, "row 2: no column 'url': the columns are 'link'"),
        ("t.csv", b"url,n\nhttp://a/b,1\nhttp://a/c,1\n", {"id": "n"}, "row 3: the id '1' is that of row 2, with"),
        ("t.csv", b"url,n\nhttp://a/b,ff\n", {"sha256": "n"}, "row 2: 'ff' is no sha256, which has 64 hex digits"),
        ("t.csv", b"url,n\nhttp://a/b,-1\n", {"bytes": "n"}, "row 2: '-1' is no number of bytes"),
        ("t.csv", b"url,n\nhttp://a/b,1,2\n", {}, "row 2: it has 3 columns, and the header has 2"),
        ("t.csv", b"url,url\n", {}, "row 1: two columns are called 'url'"),
        ("t.csv", b"url\nhttp://a/b\nhttp://a/\xff\n", {}, "row 3: it is not in UTF-8: save the table as UTF-8"),
        ("t.csv", b"url\n" + 10**7 * b"a", {}, "row 2: it has more than 1000000 bytes"),
        ("t.csv", b'url\n"' + 20000 * (99 * b"," + b"\n"), {}, "row 2: .*(more than 1000000 bytes|field limit)"),
        ("t.csv", b"url\n", {}, "has no row"),
        ("t.jsonl", b"{}" + 10**7 * b" ", {}, "row 1: it has more than 1000000 bytes"),
        ("t.jsonl", b'{"url": "http://a/b"}\n\n[1]\n', {}, "row 3: not an object of JSON"),
        ("t.jsonl", b'{"url": "http://a/b", "url": 1}\n', {}, "row 1: not JSON, one object a line: the name 'url'"),
        ("t.jsonl", 10**5 * b"[", {}, "row 1: not JSON, one object a line"),
        ("t.jsonl.gz", gzip.compress(b"{}", mtime=0)[:-4], {}, "row . the file is cut short or damaged|row 1: "),
        ("t.jsonl.gz", b"no gzip", {}, "row 1: the file is cut short or damaged from here on"),
        ("t.parquet", b"no", {}, "it does not end like a Parquet file"),
        ("t.xls", b"", {}, r"its name should end in \.csv, \.tsv or \.jsonl, with or without \.gz, or in \.parquet"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_row(
    tmp_path: Path, name: str, data: bytes, options: dict[str, str], said: str
):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=rf"^config\.yaml: datasets\.x\.source\.path '.*/{name}': .*{said}") as raised:
        listed(tmp_path / name, **options)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400 + len(str(tmp_path))


def test_a_table_of_which_other_columns_cannot_be_read_is_read(tmp_path: Path, shared_data: Path):
    assert len(listed(shared_data / "faults/tables/panda70m.parquet")) == 3
    large = pa.table({"url": [HTTP], "pictures": [[bytes(10**8)]], "score": [0.25]})  # far more than is unpacked
    pq.write_table(large, tmp_path / "t.parquet", compression="zstd", use_dictionary=False)
    assert [video.about for video in listed(tmp_path / "t.parquet")] == [None]


def test_a_column_within_another_is_not_taken_for_one_of_its_name(tmp_path: Path):
    pq.write_table(pa.table({"a": [{"url": "x"}], "a.url": [HTTP], "b": ["y"]}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"it has the column 'a\.url', which looks like a part of another"):
        read_parquet(tmp_path / "t.parquet", {"a.url": pa.string()}, 9)
    assert read_parquet(tmp_path / "t.parquet", {"b": pa.string()}, 9).to_pylist() == [{"b": "y"}]


def test_columns_of_other_types_are_left_out_where_nobody_asks_for_them(tmp_path: Path):
    row = {"url": HTTP, "n": 3, "score": 0.5, "kept": True, "at": datetime(2024, 1, 15, tzinfo=UTC), "raw": b"x"}
    row |= {"timestamp": ["0:01", "0:02"], "where": {"url": "x", "spans": [{"from": 0.5}]}}
    path = table(tmp_path, "t.parquet", [row])  # type: ignore[dict-item]
    [video] = listed(path)
    assert json.loads(video.about or "") == {"n": "3"}
    for name in ("score", "timestamp", "where"):
        with pytest.raises(UserError, match=f"its column '{name}' has neither text nor whole numbers: write it as"):
            listed(path, id=name)
    with pytest.raises(UserError, match=r"t\.csv': cannot be read: No such file"):
        listed(tmp_path / "t.csv")


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_spreadsheet_ends_them(tmp_path: Path, ending: str, newline: str):
    between = "," if ending == "csv" else "\t"
    rows = [["url", "title"], [HTTP, '"two\nlines"'], [HTTP + "2", "\u0085x"]]
    (tmp_path / f"t.{ending}").write_bytes("".join(between.join(row) + newline for row in rows).encode())
    titles = {json.loads(video.about or "")["title"] for video in listed(tmp_path / f"t.{ending}")}
    assert titles == {"two lines", "x"}


def test_a_large_table_of_lines_that_end_in_cr_is_read_line_by_line(tmp_path: Path):
    (tmp_path / "t.csv").write_bytes(b"url\r" + b"".join(b"http://a/%07d\r" % n for n in range(10**5)))
    assert len(listed(tmp_path / "t.csv")) == 10**5


TEXTS = [
    ('"big" dog runs', '"big" dog runs'),
    ('he said "hi"', 'he said "hi"'),
    ('"a ""quoted"" word"', 'a "quoted" word'),
    ('"a\ttab"', "a tab"),
    ('"a\nline"', "a line"),
    ('"never closed', '"never closed'),
    ('5" disk', '5" disk'),
    ('"', '"'),
    ('""', ""),
]


@pytest.mark.parametrize(("written", "title"), TEXTS)
def test_quotes_in_tsv_enclose_a_value_or_are_a_part_of_it(tmp_path: Path, written: str, title: str):
    lines = ["url\ttitle\tn", f"{HTTP}\t{written}\t1", *(f"{HTTP}{n}\tplain\t{n}" for n in range(2, 40))]
    (tmp_path / "t.tsv").write_text("\n".join(lines) + "\n")
    facts = [json.loads(video.about or "") for video in listed(tmp_path / "t.tsv")]
    assert sorted(facts, key=lambda fact: int(fact["n"])) == [
        {"title": title, "n": "1"} if title else {"n": "1"},
        *({"title": "plain", "n": str(n)} for n in range(2, 40)),
    ]


def test_a_packed_line_without_end_takes_no_memory(tmp_path: Path):
    """One of 256 MB in 1 MB."""
    with gzip.open(tmp_path / "t.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(bytes(2**22))
    code = (
        "import resource, sys; from pipeline.sources.urls import *\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: SOURCE.videos(UrlsOptions(sys.argv[1]), 'x')\n"
        "except UserError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "t.jsonl.gz")], capture_output=True, text=True)
    assert int(done.stdout) < 32 * 1024, done.stderr  # kB


def test_fetching_passes_on_what_the_row_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    row = {"url": HTTP, "sum": SUM, "size": "7"}
    (video,) = listed(table(tmp_path, "t.csv", [row]), sha256="sum", bytes="size")
    calls: list[Any] = []
    stand_in = ModuleType("pipeline.downloads.http")
    stand_in.fetch_address = lambda *given, **checks: calls.append((given, checks))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pipeline.downloads.http", stand_in)
    assert SOURCE.fetch is not None
    SOURCE.fetch(video, DownloadPolicy(), tmp_path / "to")
    assert calls == [((HTTP, DownloadPolicy(), tmp_path / "to"), {"sha256": SUM, "size": 7})]
    with pytest.raises(SampleError, match="no copy of this video is here"):
        SOURCE.numbers(video)
