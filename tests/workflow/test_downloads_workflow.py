"""Videos from a server of this machine, through Snakemake: from a list of addresses or metadata to shards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from common_fate.shards.record import Record
from pipeline.sources.yfcc.lines import COLUMNS
from tests.support.clips import write_clip
from tests.support.faulty_server import FaultyServer, serving
from tests.support.workspace import Workspace

pytestmark = pytest.mark.slow
POLICY = {"allow_hosts": ["127.0.0.1"], "store": "the store"}
HASH = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "served").mkdir()
    write_clip(tmp_path / "served/a.mp4", 6, "mjpeg", (64, 48))
    with serving(tmp_path / "served") as one:
        yield one


def test_each_kind_becomes_shards_with_its_licences(workspace: Workspace, server: FaultyServer, tmp_path: Path):
    """YFCC100M's media lie where its metadata say, in the public layout; yt-dlp's generic extractor takes any file."""
    media = server.folder / f"data/videos/mp4/{HASH[:3]}/{HASH[3:6]}/{HASH}.mp4"
    media.parent.mkdir(parents=True)
    write_clip(media, 6, "mjpeg", (64, 48))
    facts = {"photoid": "6000000001", "unickname": "guck", "uid": "3@N00", "title": "Mer", "marker": "1", "ext": "mov"}
    facts |= {"licensename": "Attribution-NonCommercial License", "downloadurl": "http://www.flickr.com/videos/1/orig/"}
    facts |= {"licenseurl": "http://creativecommons.org/licenses/by-nc/2.0/"}
    values = [facts.get(name, "") for name in COLUMNS]
    (tmp_path / "yfcc100m_dataset").write_text("\t".join(["0", values[0], HASH, *values[1:]]) + "\n")
    (tmp_path / "films.csv").write_text(f"name,url,terms,author\nfilm,{server.url}/a.mp4,CC BY 4.0,Ada\n")
    frames = {"select": "all", "filters": []}
    sources = {
        "films": {"kind": "urls", "path": "films.csv", "id": "name", "license_column": "terms"},
        "flickr": {"kind": "yfcc100m", "path": "yfcc100m_dataset", "media": server.url},
        "sites": {"kind": "youtube", "ids": [f"{server.url}/a.mp4"]},
    }
    common = {"download": POLICY, "frames": frames, "flow": {"min_motion": None}}
    workspace.configure({name: {"source": source, **common} for name, source in sources.items()})
    made = workspace.make("shards")
    assert made["download_shard"] == made["manifest"] == 3
    tables = {name: tmp_path / f"results/{name}/shards/cmp" for name in sources}
    read = {name: pq.read_table(folder / "samples.parquet").to_pylist() for name, folder in tables.items()}
    assert {name: len(rows) for name, rows in read.items()} == {"films": 5, "flickr": 5, "sites": 5}
    assert {row["license"] for row in read["films"]} == {"CC BY 4.0"}
    assert {row["license"] for row in read["flickr"]} == {"CC BY-NC 2.0"}
    [flickr] = pq.read_table(tables["flickr"] / "videos.parquet").to_pylist()
    assert (flickr["video"], flickr["attribution"], flickr["title"]) == ("6000000001", "guck (3@N00)", "Mer")
    [film] = pq.read_table(tables["films"] / "videos.parquet").to_pylist()
    assert film["about"] == '{"author": "Ada"}'
    assert not workspace.planned("shards")


def test_videos_go_once_their_frames_are_made_and_come_again_for_others(
    workspace: Workspace, server: FaultyServer, tmp_path: Path
):
    rows = [f"{server.url}/{name}.mp4\n" for name in ("a", "gone")]
    (tmp_path / "films.csv").write_text("url\n" + "".join(rows))
    films: dict[str, Any] = {
        "source": {"kind": "urls", "path": "films.csv"},
        "download": POLICY | {"keep_videos": False},
        "frames": {"select": "all"},
        "min_success": 0.5,
    }
    workspace.configure({"films": films})
    made = workspace.make("frames", "--resources", "downloads=1")
    assert made == {"download_shard": 1, "frames_shard_of_downloads": 1, "frames": 1}
    record = Record.read(tmp_path / "results/films/frames/000000.json")
    assert (record.samples, [row["reason"] for row in record.failures]) == (
        6,
        ["not downloaded: the server answers 404"],
    )
    assert not [path for path in (tmp_path / "the store/sha256").rglob("*") if path.is_file()]
    workspace.configure({"films": films | {"frames": {"select": {"every": 2}}, "min_success": 0}})
    assert workspace.planned("frames") == made, "other frames need the videos again"
    workspace.configure({"films": films | {"download": {"pause": 1, "keep_videos": True}}})
    assert not workspace.planned("frames"), "how they are fetched redoes nothing"
