"""Fetching from a server that misbehaves, as the record tells it."""

import hashlib
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from common_fate.remote.fetch_file import Patience, note_version, version_path
from common_fate.remote.transport import Version
from pipeline.downloads.http import fetch_address
from pipeline.downloads.policy import DownloadPolicy, Gone, Later
from tests.support.faulty_server import (
    Fault,
    FaultyServer,
    dropped,
    endless,
    page,
    redirect,
    robots_told,
    serving,
    stalled,
    status,
    tagged,
    truncated,
)

DATA = bytes(range(251)) * 8_000  # 2 MB
SUM = hashlib.sha256(DATA).hexdigest()
POLICY = DownloadPolicy(allow_hosts=("127.0.0.1",), attempts=2, silence=1)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    quick = {"pause": 0.01, "longest": 0.1}
    monkeypatch.setattr("pipeline.downloads.http.Patience", lambda **given: Patience(**quick | given))


@pytest.fixture
def server(tmp_path: Path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").write_bytes(DATA)
    with serving(tmp_path / "shared") as server:
        yield server


def fetch(server: FaultyServer, to: Path, policy: DownloadPolicy = POLICY, **known: Any) -> None:
    fetch_address(f"{server.url}/file", policy, to, **known)


def test_what_is_there_is_gone_on_with(server: FaultyServer, tmp_path: Path):
    (tmp_path / "to").write_bytes(DATA[:1000])
    server.befall("file", dropped(500_000))
    fetch(server, tmp_path / "to", sha256=SUM, size=len(DATA))
    assert (tmp_path / "to").read_bytes() == DATA
    assert server.asked_for("file")[0] == "bytes=1000-"


OTHER = bytes(reversed(range(251))) * 9_000


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(tagged('"a"', at=500_000), tagged('"b"', other=OTHER), id="another tag"),
        pytest.param(tagged('"a"', at=500_000), tagged('"b"', other=OTHER, heeds=False), id="If-Range is not heeded"),
        pytest.param(tagged('"a"', at=500_000), tagged(None, other=OTHER, heeds=False), id="another size alone"),
        pytest.param(tagged(None, at=500_000), tagged(None, other=OTHER, heeds=False), id="never a tag"),
        pytest.param(tagged('"a"', at=500_000), tagged('"b"', other=OTHER[: len(DATA)], heeds=False), id="a tag alone"),
        pytest.param(tagged('W/"a"', at=500_000), tagged('W/"b"', other=OTHER), id="a weak tag"),
    ],
)
@pytest.mark.parametrize("killed", [False, True])
def test_no_file_is_made_of_two(server: FaultyServer, tmp_path: Path, first: Fault, then: Fault, killed: bool):
    """The file changes while it is fetched, or between two jobs."""
    server.befall("file", first, *[then] * 2)
    if killed:
        with pytest.raises(Later):
            fetch(server, tmp_path / "to", DownloadPolicy(**{**vars(POLICY), "attempts": 1}))
        assert 0 < (tmp_path / "to").stat().st_size < len(DATA)
    fetch(server, tmp_path / "to")
    assert (tmp_path / "to").read_bytes() in (OTHER, OTHER[: len(DATA)])
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["to"]


@pytest.mark.parametrize("etag", ['"a"', 'W/"a"', None])
def test_the_same_file_is_gone_on_with_by_another_job(server: FaultyServer, tmp_path: Path, etag: str | None):
    server.befall("file", tagged(etag, at=500_000), tagged(etag))
    with pytest.raises(Later):
        fetch(server, tmp_path / "to", DownloadPolicy(**{**vars(POLICY), "attempts": 1}))
    arrived = (tmp_path / "to").stat().st_size
    fetch(server, tmp_path / "to")
    assert (tmp_path / "to").read_bytes() == DATA
    assert server.asked_for("file") == [None, f"bytes={arrived}-"]


def test_a_part_of_unknown_origin_is_not_gone_on_with(server: FaultyServer, tmp_path: Path):
    (tmp_path / "to").write_bytes(b"x" * 1000)
    fetch(server, tmp_path / "to")
    assert (tmp_path / "to").read_bytes() == DATA


@pytest.mark.parametrize(("kept", "zeros"), [(500_000, 100_000), (8192, 100), (0, 5000), (2**20 + 4096, 2**20)])
def test_what_a_power_cut_lost_is_fetched_again(server: FaultyServer, tmp_path: Path, kept: int, zeros: int):
    """Of bytes that had not reached the disk their room is left: without a sum nothing else would tell."""
    after = DATA[kept + zeros :][: zeros // 5]  # what came later may have reached it
    (tmp_path / "to").write_bytes(DATA[:kept] + bytes(zeros) + (after if zeros > 4096 else b""))
    note_version(version_path(tmp_path / "to"), Version(total=len(DATA)))
    fetch(server, tmp_path / "to")
    assert (tmp_path / "to").read_bytes() == DATA
    assert server.asked_for("file") == [f"bytes={kept}-" if kept else None]


@pytest.mark.parametrize(
    ("fault", "kind", "reason", "requests"),
    [
        (status(404), Gone, "the server answers 404", 1),
        (status(410), Gone, "the server answers 410", 1),
        (status(401), Gone, "the server answers 401", 1),
        (status(403), Gone, "the server answers 403", 1),
        (redirect("/shared/file"), Gone, "the server redirects it again and again", 10),
        (redirect("file:///etc/passwd"), Gone, "leads to an address that is not http or https", 1),
        (redirect("http://localhost:9/x"), Later, "its host is not allowed: see download.allow_hosts", 1),
        (page, Gone, "a web page, no video", 1),
        (robots_told("noai"), Later, "its server disallows it: X-Robots-Tag says noai", 1),
        (truncated(1000), Gone, "not the file that was listed: its length or its sha256 differs", 2),
        (endless, Later, "larger than download.most_bytes", 1),
        (status(429, Retry_After="9999"), Later, "the server answers 429", 2),
        (status(503), Later, "the server answers 503", 2),
        (stalled(1.5), Later, "the server is silent", 2),
        (dropped(1000), Later, "it comes too slowly, or is cut off again and again", 2),
    ],
)
def test_why_a_video_does_not_come(server: FaultyServer, tmp_path: Path, fault, kind, reason, requests, caplog):
    server.befall("file", fault, ever=True)
    to = tmp_path / "to"
    known = {"size": len(DATA)} if fault is not endless else {}
    with pytest.raises(kind) as told:
        fetch(server, to, DownloadPolicy(**{**vars(POLICY), "most_bytes": 3_000_000}), **known)
    assert str(told.value) == reason
    assert len(server.asked) == requests
    assert (kind is Later and "disallows" not in reason) or not to.exists()
    assert told.value.turned_away_by == (
        f"127.0.0.1:{server.server.server_port}" if reason[-3:] in ("403", "429") else ""
    )
    assert any("127.0.0.1" in message or "localhost" in message for message in caplog.messages) or fault is page


def test_a_redirect_to_this_machine_is_refused(server: FaultyServer, tmp_path: Path, monkeypatch, caplog):
    monkeypatch.setattr("pipeline.downloads.access._is_public", lambda ip: str(ip) == "127.0.0.1")  # the server's own
    server.befall("file", redirect("http://127.0.0.2:9/x"), redirect("http://169.254.169.254/latest"))
    for _ in range(2):
        with pytest.raises(Later, match="in a network that is not public"):
            fetch(server, tmp_path / "to", DownloadPolicy())
    assert [message.partition(":")[0] for message in caplog.messages] == ["127.0.0.2", "169.254.169.254"]


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (["noai"], "noai"),
        (["noarchive, NoImageAI"], "noimageai"),
        (["noindex"], "noindex"),
        (["noimageindex"], "noimageindex"),
        (["none"], "noindex"),
        (["googlebot: noindex", "noai, googlebot: all"], "noai"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST, noai"], "noai"),
        (["unavailable_after: Tue, 25 Jun 2030 15:00:00 GMT, noai"], "noai"),
        (["max-image-preview: none"], None),
        (["googlebot: noindex, noai"], None),
        (["all"], None),
        (["noaindex, ai"], None),
    ],
)
def test_a_server_may_opt_out(server: FaultyServer, tmp_path: Path, headers: list[str], said: str | None):
    to = tmp_path / "to"
    to.write_bytes(DATA[:1000])
    server.befall("file", robots_told(*headers), ever=True)
    if said is None:
        fetch(server, to, size=len(DATA))
        assert to.read_bytes() == DATA
        return
    with pytest.raises(Later, match=f"its server disallows it: X-Robots-Tag says {said}$"):
        fetch(server, to)
    assert not to.exists()
    assert server.handed_out["file"] <= len(DATA)
    fetch(server, to, DownloadPolicy(**{**vars(POLICY), "disallowed_header_directives": ()}))
    assert to.read_bytes() == DATA


def test_other_directives_may_be_disallowed(server: FaultyServer, tmp_path: Path):
    server.befall("file", robots_told("noarchive"), ever=True)
    policy = DownloadPolicy(**{**vars(POLICY), "disallowed_header_directives": ["NoArchive"]})
    with pytest.raises(Later, match="says noarchive"):
        fetch(server, tmp_path / "to", policy)


def test_files_come_from_the_folders_that_are_named(tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a b.mp4").write_bytes(DATA)
    (tmp_path / "to").write_bytes(DATA[:1000])
    policy = DownloadPolicy(allow_paths=(str(tmp_path / "in"),))
    fetch_address(f"file://{tmp_path}/in/a%20b.mp4", policy, tmp_path / "to", sha256=SUM)
    assert (tmp_path / "to").read_bytes() == DATA
    for address, kind in [
        (f"file://{tmp_path}/in/none", Gone),
        (f"file://{tmp_path}/in/a%00b", Gone),
        ("file:///etc/passwd", Later),
        ("ftp://x/a", Gone),
        ("s3://bucket/a", Later),
        ("http://[::1", Gone),
        ("clip.mp4", Gone),
    ]:
        with pytest.raises(kind):
            fetch_address(address, DownloadPolicy(**{**vars(policy), "allow_hosts": ("x",)}), tmp_path / "other")


def test_it_comes_no_faster_than_is_said(server: FaultyServer, tmp_path: Path, caplog):
    caplog.set_level(logging.WARNING)
    began = time.monotonic()
    fetch(server, tmp_path / "to", DownloadPolicy(**{**vars(POLICY), "most_rate": 4_000_000}), size=len(DATA))
    assert 0.2 < time.monotonic() - began < 3
