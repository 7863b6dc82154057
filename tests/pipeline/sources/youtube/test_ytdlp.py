"""Fetching through yt-dlp's generic extractor from a server on this machine, which misbehaves."""

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from pipeline.downloads.policy import DownloadPolicy, Gone, Later
from pipeline.sources.source import Frame
from pipeline.sources.videos import SOURCE as FILES
from pipeline.sources.youtube import SOURCE, YouTubeOptions
from pipeline.sources.youtube.cutting import cut
from tests.support.clips import number_in, write_clip
from tests.support.faulty_server import (
    NO_BODY_ENDS,
    NO_HEAD_ENDS,
    Fault,
    FaultyServer,
    dropped,
    endless,
    redirect,
    serving,
    stalled,
    status,
    tagged,
)

ONCE = {"attempts": 1, "silence": 1, "allow_hosts": ["127.0.0.1"]}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=60, options={"g": "12", "bf": "2"})


@pytest.fixture
def server(clip: Path, tmp_path: Path) -> Iterator[FaultyServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "clip.mp4").hardlink_to(clip)
    with serving(folder) as one:
        yield one


@pytest.fixture
def to(tmp_path: Path) -> Path:
    folder = tmp_path / "store $HOME %(id)s"
    folder.mkdir()
    return folder / "ab12"


def fetch(server: FaultyServer, to: Path, name: str = "clip.mp4", policy: dict | None = None, **options) -> None:
    (video,) = SOURCE.videos(YouTubeOptions(ids=[f"{server.url}/{name}"], **options), "x")
    assert SOURCE.fetch is not None
    SOURCE.fetch(video, DownloadPolicy(**(ONCE | (policy or {}))), to)


def numbers(path: Path) -> list[int]:
    video = Video("v", "videos", str(path))
    frames = list(FILES.read(video, list(FILES.numbers(video))))
    assert all(isinstance(frame, Frame) for frame in frames), frames
    return [number_in(frame.image) for frame in frames]


def test_a_video_comes_and_nothing_else_is_left(server: FaultyServer, clip: Path, to: Path):
    fetch(server, to)
    assert to.read_bytes() == clip.read_bytes()
    assert list(to.parent.iterdir()) == [to]


def test_what_came_before_is_not_fetched_again(server: FaultyServer, clip: Path, to: Path):
    faults = [lambda handler, data: handler.answer(data), dropped(at=5000)]  # it is looked at first, and then fetched
    server.befall("clip.mp4", *faults)
    with pytest.raises(Later, match="connection failed"):
        fetch(server, to)
    assert not to.exists()
    fetch(server, to)
    assert to.read_bytes() == clip.read_bytes()
    assert server.asked_for("clip.mp4")[-1] == "bytes=5000-"
    assert list(to.parent.iterdir()) == [to]


@pytest.mark.parametrize("etag", ['"b"', None])
def test_no_file_is_made_of_two(server: FaultyServer, clip: Path, to: Path, etag: str | None):
    """It changes between two jobs: by its tag, or by its size alone."""
    data = clip.read_bytes()
    other = data[:2000] + bytes(reversed(data[2000:])) + bytes(100)
    server.befall("clip.mp4", tagged('"a"'), tagged('"a"', at=5000))
    with pytest.raises(Later, match="connection failed"):
        fetch(server, to)
    server.befall("clip.mp4", tagged(etag, other=other), ever=True)
    fetch(server, to)
    assert to.read_bytes() == other
    assert "bytes=5000-" in server.asked_for("clip.mp4")
    assert list(to.parent.iterdir()) == [to]


def test_a_dropped_connection_is_taken_up_in_one_call(server: FaultyServer, clip: Path, to: Path):
    server.befall("clip.mp4", lambda handler, data: handler.answer(data), dropped(at=5000))
    fetch(server, to, policy={"attempts": 2})
    assert to.read_bytes() == clip.read_bytes()


def test_a_video_in_fragments_is_taken_up_at_the_one_that_failed(server: FaultyServer, to: Path):
    parts = {"hls_time": "0.5", "hls_list_size": "0"}
    write_clip(server.folder / "parts.m3u8", frames=60, options={"g": "12", "bf": "0"}, container_options=parts)
    server.befall("parts2.ts", status(403), dropped(at=100))
    for reason in ("403", "connection failed"):
        with pytest.raises(Later, match=reason):
            fetch(server, to, "parts.m3u8")
    fetch(server, to, "parts.m3u8")
    assert numbers(to) == list(range(60))
    assert server.asked_for("parts1.ts") == [None]
    assert server.asked_for("parts2.ts") == [None, None, "bytes=100-"]
    with pytest.raises(Later, match=r"larger than download\.most_bytes"):
        fetch(server, to.with_name("other"), "parts.m3u8", policy={"most_bytes": 5000})


def test_a_section_begins_at_a_key_frame_and_has_every_picture(server: FaultyServer, to: Path):
    fetch(server, to, section="1.0-1.6")  # key frames are at 0.96 and 1.44 s
    found = numbers(to)
    assert found == list(range(24, 24 + len(found)))
    assert 40 <= found[-1] <= 44  # 1.6 s is frame 40; it may be stored before its neighbours
    first = to.read_bytes()
    fetch(server, to, section=[1, 1.6])
    assert to.read_bytes() == first


def test_a_section_after_the_end_is_gone(server: FaultyServer, to: Path):
    with pytest.raises(Gone, match="ends before the section begins"):
        fetch(server, to, section="30-40")


def test_a_disk_that_is_full_is_not_the_videos_fault(clip: Path):
    with pytest.raises(OSError, match="No space left"):
        cut(clip, Path("/dev/full"), 0, 1)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("other.mp4", None, "there is no such page or file"),
        ("page.html", b"<html><body>Please log in</body></html>", "no video at this address"),
        (
            "two.html",
            b"<video src=/shared/clip.mp4></video><video src=/shared/b.mp4></video>",
            "several videos: name each",
        ),
    ],
)
def test_what_is_no_video_is_gone(server: FaultyServer, to: Path, name: str, content: bytes | None, says: str):
    if content:
        (server.folder / name).write_bytes(content)
    with pytest.raises(Gone, match=says):
        fetch(server, to, name)
    assert list(to.parent.iterdir()) == []


def test_a_page_with_one_video_is_that_video(server: FaultyServer, clip: Path, to: Path):
    (server.folder / "page.html").write_bytes(b"<html><video src=/shared/clip.mp4></video></html>")
    fetch(server, to, "page.html")
    assert to.read_bytes() == clip.read_bytes()


def test_a_real_clip_comes_as_it_is(server: FaultyServer, shared_data: Path, to: Path):
    (server.folder / "bikes.mp4").symlink_to(shared_data / "video/bikes.mp4")
    fetch(server, to, "bikes.mp4")
    assert to.read_bytes() == (shared_data / "video/bikes.mp4").read_bytes()


@pytest.mark.parametrize("size_is_told", [True, False])
def test_a_video_that_is_too_large_leaves_nothing(server: FaultyServer, to: Path, size_is_told: bool):
    if not size_is_told:
        server.befall("clip.mp4", endless, ever=True)
    with pytest.raises(Later, match=r"larger than download\.most_bytes"):
        fetch(server, to, policy={"most_bytes": 9000})
    assert list(to.parent.iterdir()) == []


def test_a_page_without_end_ends(server: FaultyServer, to: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipeline.sources.youtube.answers.MOST_PAGE", 100_000)
    (server.folder / "page.html").write_bytes(b"<html>")
    server.befall("page.html", endless)
    with pytest.raises(Gone, match="page larger than 100000 bytes"):
        fetch(server, to, "page.html")
    assert server.handed_out["page.html"] < 2**23


def packed(data: bytes, coding: str) -> Fault:
    """An answer in a coding, under a Content-Type of videos."""
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "br": bytes, "gzip, gzip": gzip.compress}[coding]
    body = pack(data)
    headers = {"Content_Encoding": coding, "Content_Type": "video/mp4"}
    return lambda handler, _: (handler.begin(200, str(len(body)), **headers), handler.send(body))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_an_answer_that_is_packed_is_unpacked(server: FaultyServer, clip: Path, to: Path, coding: str):
    server.befall("clip.mp4", packed(clip.read_bytes(), coding), ever=True)
    fetch(server, to)
    assert to.read_bytes() == clip.read_bytes()


@pytest.mark.parametrize(
    ("coding", "says"),
    [
        ("gzip", "page larger than 1000000 bytes"),
        ("deflate", "page larger than 1000000 bytes"),
        ("br", "coding that was not asked for"),
        ("gzip, gzip", "coding that was not asked for"),
    ],
)
def test_what_unpacks_to_no_end_takes_no_room(server: FaultyServer, to: Path, coding: str, says: str, monkeypatch):
    monkeypatch.setattr("pipeline.sources.youtube.answers.MOST_PAGE", 1_000_000)
    zeros = bytes(100_000_000 if coding in ("gzip", "deflate") else 1000)
    server.befall("clip.mp4", packed(zeros, coding), ever=True)
    tracemalloc.start()
    try:
        with pytest.raises(Gone, match=says):
            fetch(server, to)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    assert list(to.parent.iterdir()) == []


@pytest.mark.parametrize("fault", (NO_HEAD_ENDS | NO_BODY_ENDS).items(), ids=NO_HEAD_ENDS | NO_BODY_ENDS)
def test_an_answer_that_never_ends_is_for_later(server: FaultyServer, to: Path, fault, monkeypatch):
    """Though there is no silence."""
    monkeypatch.setattr("pipeline.sources.youtube.answers._LONGEST", 0.5)
    server.befall("clip.mp4", fault[1], ever=True)
    began = time.monotonic()
    with pytest.raises((Later, Gone)) as told:
        fetch(server, to)
    assert time.monotonic() - began < 10
    if fault[0] != "hints":  # which Python takes for an answer
        assert "the connection failed, or the server was silent" in str(told.value)


def test_a_silent_server_is_for_later(server: FaultyServer, to: Path):
    server.befall("clip.mp4", stalled(3), ever=True)
    with pytest.raises(Later, match="silent"):
        fetch(server, to)


@pytest.mark.parametrize("code", [500, 503])
def test_a_server_out_of_order_is_for_later(server: FaultyServer, to: Path, code: int):
    server.befall("clip.mp4", status(code), ever=True)
    with pytest.raises(Later, match=f"answers {code}"):
        fetch(server, to)


@pytest.mark.parametrize("code", [403, 429])
def test_a_refusal_is_for_later_and_says_who_refused(server: FaultyServer, to: Path, code: int):
    server.befall("clip.mp4", status(code), ever=True)
    with pytest.raises(Later) as told:
        fetch(server, to)
    assert told.value.turned_away_by == "127.0.0.1"
    assert "download.cookies" in told.value.advice


def test_addresses_are_checked_and_redirects_before_they_are_followed(server: FaultyServer, to: Path):
    secret = server.url.replace("127.0.0.1", "localhost") + "/secret.mp4"
    (server.folder / "secret.mp4").write_bytes(b"secret")
    server.befall("clip.mp4", redirect(secret))
    with pytest.raises(Later, match="its host is not allowed"):
        fetch(server, to)
    with pytest.raises(Later, match="in a network that is not public"):
        fetch(server, to, policy={"allow_hosts": []})
    assert server.asked_for("secret.mp4") == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp4"])
def test_a_redirect_leads_to_no_other_kind_of_address(server: FaultyServer, to: Path, address: str):
    server.befall("clip.mp4", redirect(address), ever=True)
    with pytest.raises((Gone, Later)):
        fetch(server, to)
    assert list(to.parent.iterdir()) == [] or not to.exists()


def test_a_loop_of_redirects_is_gone(server: FaultyServer, to: Path):
    server.befall("clip.mp4", redirect("clip.mp4"), ever=True)
    with pytest.raises(Gone, match="again and again"):
        fetch(server, to)


def test_cookies_are_sent_and_their_file_stays_as_it_is(server: FaultyServer, to: Path, tmp_path: Path):
    sent = []
    server.befall(
        "clip.mp4", *[lambda handler, data: (sent.append(handler.headers["Cookie"]), handler.answer(data))] * 2
    )
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tkey\tvalue\n")
    before = cookies.read_bytes()
    fetch(server, to, policy={"cookies": str(cookies)})
    assert sent[0] == "key=value"
    assert cookies.read_bytes() == before
    with pytest.raises(UserError, match=r"download.cookies: .*cannot be read"):
        fetch(server, to, policy={"cookies": str(tmp_path / "none.txt")})
    cookies.write_text("key=value")
    with pytest.raises(UserError, match="not in Netscape's format"):
        fetch(server, to, policy={"cookies": str(cookies)})


def test_a_folder_that_cannot_be_written_is_the_users(server: FaultyServer, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        fetch(server, tmp_path / "file" / "ab12")
