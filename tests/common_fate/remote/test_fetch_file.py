"""Fetching a file from a server that does everything that servers do wrong."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yarl

from common_fate.errors import ShardError, UserError
from common_fate.remote import transport
from common_fate.remote.fetch_file import Patience, fetch_file, partial_path
from tests.support.faulty_server import (
    NO_BODY_ENDS,
    NO_HEAD_ENDS,
    FaultyServer,
    claims,
    dripping,
    dropped,
    endless,
    flipped,
    locked,
    other_part,
    page,
    redirect,
    serving,
    stalled,
    status,
    truncated,
    unannounced,
    whole,
)

ROOT = Path(__file__).resolve().parents[3]
DATA = bytes(range(251)) * 16_000  # 4 MB
SUM = hashlib.sha256(DATA).hexdigest()
SHORT = Patience(attempts=3, pause=0.01, longest=0.2, silence=0.4)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "file").write_bytes(DATA)
    with serving(tmp_path / "shared") as server:
        yield server


def fetch(server: FaultyServer, to: Path, size: int | None = len(DATA), sha256: str | None = SUM, **more) -> bytes:
    fetch_file(f"{server.url}/file", to, sha256, size, patience=SHORT, **more)
    assert [path.name for path in to.parent.iterdir()] == [to.name]
    return to.read_bytes()


@pytest.mark.parametrize("size", [len(DATA), None])
def test_a_file_arrives_in_one_request(server, tmp_path, size):
    assert fetch(server, tmp_path / "here" / "to", size) == DATA
    assert server.asked == [("file", None)]


def test_a_dropped_connection_is_taken_up_where_it_dropped(server, tmp_path):
    server.befall("file", dropped(2_000_000), dropped(1_000_000))
    assert fetch(server, tmp_path / "here" / "to") == DATA
    starts = [int(part.removeprefix("bytes=").rstrip("-")) for part in server.asked_for("file")[1:]]
    assert 1_000_000 < starts[0] <= 2_000_000 < starts[1] <= 3_000_000  # less what was on its way


def test_many_drops_that_each_bring_something_are_borne(server, tmp_path, monkeypatch):
    monkeypatch.setattr("common_fate.remote.fetch_file.PROGRESS", 100_000)
    server.befall("file", *[dropped(800_000)] * 6)
    assert fetch(server, tmp_path / "here" / "to") == DATA


@pytest.mark.parametrize("answer", [whole, other_part, status(416)])
def test_a_server_that_cannot_go_on_midway_begins_again(server, tmp_path, answer):
    server.befall("file", dropped(2_000_000), answer)
    assert fetch(server, tmp_path / "here" / "to") == DATA


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([status(500), status(503)], id="out of order twice"),
        pytest.param([status(429, Retry_After="0"), status(408)], id="too many requests"),
        pytest.param([status(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")], id="after a date"),
        pytest.param([stalled(1.0)], id="no answer"),
        pytest.param([stalled(1.0, at=1000)], id="stalls midway"),
        pytest.param([dripping], id="drips"),
        pytest.param([truncated(1000)], id="truncated"),
        pytest.param([unannounced(1000), unannounced(0)], id="ends early, length unknown"),
        pytest.param([claims(len(DATA) + 5)], id="claims to be longer"),
        pytest.param([claims(7)], id="claims to be shorter"),
        pytest.param([flipped(77)], id="a wrong byte"),
        pytest.param([page], id="a web page"),
        pytest.param([redirect("/shared/file")], id="a redirect"),
    ],
)
def test_passing_faults_pass(server, tmp_path, faults):
    server.befall("file", *faults)
    assert fetch(server, tmp_path / "here" / "to") == DATA


def test_retry_after_is_waited_for(server, tmp_path):
    server.befall("file", status(429, Retry_After="1"))
    began = time.monotonic()
    fetch_file(f"{server.url}/file", tmp_path / "to", SUM, patience=Patience(2, pause=0.01, longest=2, silence=1))
    assert time.monotonic() - began > 1


@pytest.mark.parametrize(
    ("fault", "error", "message", "requests"),
    [
        (status(404), ShardError, "there is no such file", 1),
        (status(403), UserError, r"no access, the server answers 403 Forbidden: check .* \(~/\.netrc\)", 1),
        (status(401), UserError, "no access, the server answers 401", 1),
        (status(410), UserError, "the server answers 410 Gone", 1),
        (status(500), UserError, "the server answers 500 Internal Server Error, 3 times in a row: check the", 3),
        (status(429, Retry_After="9999"), UserError, "answers 429 Too Many Requests, 3 times in a row", 3),
        (stalled(1.0), UserError, r"nothing came for 0\.4 s, 3 times in a row", 3),
        (dripping, UserError, r"only \d+ bytes came in", 3),
        (dropped(1000), UserError, "the connection dropped, 3 times in a row: .* what has arrived is kept", 3),
        (flipped(77), ShardError, rf"what arrives has the sha256 (?!{SUM})[0-9a-f]{{64}}, and should have {SUM}", 2),
        (truncated(1000), ShardError, "has 1000 bytes, and should have 4016000: ask whoever shares it", 2),
        (page, ShardError, "has 26 bytes, and is a web page, and should have 4016000", 2),
        (redirect("/shared/file"), UserError, "the server redirects it again and again", 10),
        (redirect("file:///etc/passwd"), UserError, "leads to file:///etc/passwd, which is not http or https", 1),
        (redirect("ftp://127.0.0.1/file"), UserError, "leads to ftp://127.0.0.1/file, which is not http", 1),
    ],
)
def test_lasting_faults_are_one_clear_line_and_leave_nothing(server, tmp_path, fault, error, message, requests):
    server.befall("file", fault, ever=True)
    to = tmp_path / "here" / "to"
    with pytest.raises(UserError, match=rf"^{server.url}/file: .*{message}") as raised:
        fetch(server, to)
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)
    assert len(server.asked) == requests
    assert not to.exists()
    assert error is UserError or not partial_path(to).exists()


@pytest.mark.parametrize("fault", (NO_HEAD_ENDS | NO_BODY_ENDS).values(), ids=NO_HEAD_ENDS | NO_BODY_ENDS)
def test_an_answer_that_never_gets_to_a_byte_is_given_up(server, tmp_path, fault):
    """Though there is no silence."""
    server.befall("file", fault, ever=True)
    began = time.monotonic()
    with pytest.raises(UserError, match=r"nothing came for 0\.3 s, 1 times in a row"):
        fetch_file(f"{server.url}/file", tmp_path / "to", SUM, patience=Patience(attempts=1, silence=0.3))
    assert time.monotonic() - began < 5


def test_a_file_that_grows_without_end_is_read_as_far_as_it_should_go(server, tmp_path):
    server.befall("file", endless, ever=True)
    assert fetch(server, tmp_path / "here" / "to") == DATA
    with pytest.raises(ShardError, match="is larger than 5000000 bytes"):
        fetch(server, tmp_path / "there" / "to", size=None, limit=5_000_000)
    assert list((tmp_path / "there").iterdir()) == []


def test_nobody_is_there(tmp_path):
    with pytest.raises(
        UserError,
        match=r"^http://127\.0\.0\.1:9/file: cannot connect to 127\.0\.0\.1:9 \(Connection refused\), 3 times in a row",
    ):
        fetch_file("http://127.0.0.1:9/file", tmp_path / "to", SUM, patience=SHORT)


def test_each_further_attempt_is_announced(server, tmp_path, caplog):
    server.befall("file", status(503))
    fetch(server, tmp_path / "here" / "to")
    assert caplog.messages == [f"{server.url}/file: the server answers 503 Service Unavailable: trying again in 0 s"]


def test_a_password_comes_from_netrc(server, tmp_path, monkeypatch):
    server.befall("file", locked, ever=True)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert fetch(server, tmp_path / "here" / "to") == DATA


def test_a_connection_that_is_not_encrypted_as_asked_is_refused(server, tmp_path, monkeypatch):
    address = server.url.replace("http:", "https:")
    with pytest.raises(UserError, match=rf"^{address}/file: no trusted connection: "):
        fetch_file(f"{address}/file", tmp_path / "to", SUM, patience=SHORT)
    led = SimpleNamespace(status=200, headers={}, url=yarl.URL(f"{server.url}/file"))
    monkeypatch.setattr(transport, "_http_file", lambda *_: SimpleNamespace(r=led, close=lambda: None))
    with pytest.raises(UserError, match=rf"^{address}/file: leads to {server.url}/file, which is not encrypted"):
        fetch_file(f"{address}/file", tmp_path / "to", SUM, patience=SHORT)


def test_leftovers_of_another_file_do_no_harm(server, tmp_path):
    to = tmp_path / "here" / "to"
    to.parent.mkdir()
    for leftover in (b"x" * 1000, DATA[:1000], DATA + b"more", DATA):
        partial_path(to).write_bytes(leftover)
        assert fetch(server, to) == DATA


def test_a_full_disk_is_said_so(server, tmp_path):
    """With a limit on the size of files, which a write over it meets as it does a full disk."""
    code = (
        "import resource, sys; from pathlib import Path; from common_fate.remote.fetch_file import *\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "fetch_file(sys.argv[1], Path(sys.argv[2]), None, patience=Patience())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, f"{server.url}/file", tmp_path / "to"], cwd=ROOT, capture_output=True, text=True
    )
    assert f"UserError: {tmp_path}/to: cannot be written: the file is larger than this system allows" in run.stderr


def test_killed_midway_nothing_half_is_used_and_the_next_goes_on(server, tmp_path):
    server.befall("file", stalled(30, at=2_000_000))
    code = (
        "import sys; from pathlib import Path; from common_fate.remote.fetch_file import *\n"
        "fetch_file(sys.argv[1], Path(sys.argv[2]), None, patience=Patience())"
    )
    to = tmp_path / "here" / "to"
    process = subprocess.Popen([sys.executable, "-c", code, f"{server.url}/file", to], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not partial_path(to).exists() or partial_path(to).stat().st_size < 1_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not to.exists()
    arrived = partial_path(to).stat().st_size
    assert fetch(server, to) == DATA
    assert server.asked_for("file")[1:] == [f"bytes={arrived}-"]
