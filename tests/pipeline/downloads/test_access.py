import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from common_fate.remote.transport import TemporaryFault, arriving
from pipeline.downloads.access import Access, Refused, _ip, _is_public

NAMED = ("127.0.0.1", "localhost", "lab.example.org", "*.example.com")


def ask(access: Access, address: str) -> None:
    with arriving(address, 0, 1, access.client):
        pass


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:9", "localhost:9", "0x7f.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9", "[64:ff9b::7f00:1]", "0.0.0.0"),
        *(
            "169.254.169.254",
            "[fe80::1]",
            "10.1.2.3",
            "192.168.0.1",
            "100.64.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "[2002:7f00:1::]",
        ),
        *(
            "[fec0::1]",
            "192.0.0.8",
            "192.0.0.170",
            "[3fff::1]",
            "[5f00::1]",
            "[100::1]",
            "[2001:db8::1]",
            "[::10.0.0.1]",
        ),
        *("[::10.0.0.1]", "[64:ff9b:1::a00:1]", "[2001::1]", "192.88.99.1", "168.63.129.16", "198.18.0.1"),
    ],
)
def test_what_is_not_public_is_not_asked(host: str):
    with pytest.raises(
        Refused, match=r"^its host is in a network that is not public: see download\.allow_hosts$"
    ) as told:
        ask(Access(), f"http://{host}/x")
    assert "download.allow_hosts: if it is to be asked, set that key" in told.value.line
    assert "\n" not in told.value.line


@pytest.mark.parametrize("ip", ["8.8.8.8", "192.0.1.1", "2001:4860:4860::8888", "2a00:1450::1", "64:ff9b::808:808"])
def test_what_is_public_is(ip: str):
    known = _ip(ip)
    assert known is not None
    assert _is_public(known)


def test_no_name_leads_to_what_is_not_public(monkeypatch: pytest.MonkeyPatch):
    async def resolved(self: Any, host: str, port: Any, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolved)
    for hosts in ((), ("*.example.com",)):
        with pytest.raises(Refused, match="not public") as told:
            ask(Access(hosts), "http://www.example.com:9/")
        assert told.value.line.startswith("www.example.com: refused, for it is at ")
    with pytest.raises(TemporaryFault, match="cannot connect"):
        ask(Access(("www.example.com",)), "http://www.example.com:9/")


@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST", "[::ffff:127.0.0.1]"])
def test_what_is_named_is_asked(host: str):
    with pytest.raises(TemporaryFault, match="cannot connect"):
        ask(Access(NAMED), f"http://{host}:9/x")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("lab.example.org", True),
        ("Lab.Example.org.", True),
        ("www.example.com", True),
        ("a.b.example.com", True),
        ("example.com", False),
        ("notexample.com", False),
        ("x.lab.example.org", False),
        ("127.0.0.2", False),
    ],
)
def test_where_hosts_are_named_no_other_is_asked(host: str, allowed: bool):
    if allowed:
        Access(NAMED).check_host(host)
    else:
        with pytest.raises(Refused, match="its host is not allowed"):
            Access(NAMED).check_host(host)


def test_files_are_read_in_the_folders_that_are_named(tmp_path: Path):
    inside, outside = tmp_path / "in", tmp_path / "in_secret"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.mp4").touch()
    (inside / "link.mp4").symlink_to(outside / "a.mp4")
    (tmp_path / "alias").symlink_to(inside)
    for folder in (inside, tmp_path / "alias"):
        assert Access((), (str(folder),)).check_file(str(inside / "a.mp4")) == inside / "a.mp4"
    for path in ("in/link.mp4", "in/../in_secret/a.mp4", "in_secret/a.mp4", "/etc/passwd"):
        with pytest.raises(Refused, match="its file lies in no folder of"):
            Access((), (str(inside),)).check_file(str(tmp_path / path))
    with pytest.raises(Refused):
        Access().check_file(str(inside / "a.mp4"))
