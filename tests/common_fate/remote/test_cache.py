"""The cache of shards from other machines."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common_fate.errors import ShardError, UserError
from common_fate.remote.cache import Cache, default_folder
from common_fate.remote.fetch_file import Patience
from tests.support.faulty_server import flipped, serving, stalled

ROOT = Path(__file__).resolve().parents[3]
SHARDS = {f"{number:06d}.tar": bytes([number]) * 100_000 for number in range(4)}


def sum_of(name: str) -> str:
    return hashlib.sha256(SHARDS[name]).hexdigest()


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "shared"
    folder.mkdir()
    for name, data in SHARDS.items():
        (folder / name).write_bytes(data)
    with serving(folder) as server:
        yield server


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", patience=Patience(attempts=2, pause=0.01, silence=0.5))


def read(cache: Cache, server, name: str) -> bytes:
    with cache.open(f"{server.url}/{name}", sum_of(name), len(SHARDS[name])) as file:
        return file.read()


def held(cache: Cache) -> set[str]:
    sums = {sum_of(name): name for name in SHARDS}
    return {sums[path.name] for path in (cache.folder / "shards").glob("*/*")}


def test_a_shard_is_fetched_once_whatever_it_is_called(server, cache):
    assert read(cache, server, "000001.tar") == SHARDS["000001.tar"]
    with cache.open("http://another.example/000007.tar", sum_of("000001.tar"), 100_000) as file:
        assert file.read() == SHARDS["000001.tar"]
    assert server.asked == [("000001.tar", None)]


def test_a_wrong_shard_is_never_kept(server, cache):
    server.befall("000001.tar", flipped(5), ever=True)
    with pytest.raises(ShardError, match=rf"000001\.tar: what arrives .* should have {sum_of('000001.tar')}"):
        read(cache, server, "000001.tar")
    assert held(cache) == set()


def test_a_copy_that_lost_its_end_is_fetched_again(server, cache):
    read(cache, server, "000001.tar")
    (copy,) = (cache.folder / "shards").glob("*/*")
    os.truncate(copy, 10)
    assert read(cache, server, "000001.tar") == SHARDS["000001.tar"]


def damage(path: Path, noted: bool) -> None:
    """Flips a bit; where it is `noted`, nothing about the file says so, as with a disk that loses it."""
    data = bytearray(path.read_bytes())
    data[77] ^= 1
    path.write_bytes(data)
    facts = path.stat()
    (note,) = path.parents[2].glob(f"checked/*/{path.name}")
    if noted:
        note.write_text(f"{facts.st_ino} {facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns}\n")


def test_a_damaged_copy_is_noticed_and_fetched_again(server, cache, caplog):
    read(cache, server, "000001.tar")
    (copy,) = (cache.folder / "shards").glob("*/*")
    damage(copy, noted=False)
    times = copy.stat()
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns - 10**12))  # a date proves nothing
    assert read(cache, server, "000001.tar") == SHARDS["000001.tar"]
    assert len(server.asked) == 2
    assert caplog.messages == [f"{copy}: this copy is damaged: it is fetched again"]
    assert read(cache, server, "000001.tar") == SHARDS["000001.tar"]
    assert len(server.asked) == 2


def test_a_copy_whose_damage_does_not_show_is_found_by_its_sum(server, cache):
    read(cache, server, "000001.tar")
    (copy,) = (cache.folder / "shards").glob("*/*")
    assert not cache.drop_damaged(copy.name)
    damage(copy, noted=True)
    with cache.open(f"{server.url}/000001.tar", copy.name, 100_000, check=True) as file:
        assert file.read() == SHARDS["000001.tar"]
    damage(copy, noted=True)
    assert cache.drop_damaged(copy.name)
    assert not copy.exists()


def test_copies_that_a_former_version_fetched_are_used(server, cache):
    read(cache, server, "000001.tar")
    shutil.rmtree(cache.folder / "checked")
    assert read(cache, server, "000001.tar") == SHARDS["000001.tar"]
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("sha256", "size"), [("../../x", 5), ("A" * 64, 5), ("0" * 63, 5), (None, 5), ("0" * 64, -1), ("0" * 64, None)]
)
def test_a_listing_that_could_lead_elsewhere_is_refused(cache, sha256, size):
    with pytest.raises(ShardError, match=r"^http://x/000000\.tar: listed with"):
        cache.open("http://x/000000.tar", sha256, size)
    assert not cache.folder.exists()


def test_over_the_limit_the_longest_unused_go_and_open_ones_stay_readable(server, cache):
    cache = Cache(cache.folder, 300_000, cache.patience)
    with cache.open(f"{server.url}/000000.tar", sum_of("000000.tar"), 100_000) as first:
        for name in ("000001.tar", "000002.tar", "000001.tar", "000003.tar"):
            read(cache, server, name)
        assert held(cache) == {"000001.tar", "000002.tar", "000003.tar"}
        assert first.read() == SHARDS["000000.tar"]
    read(cache, server, "000000.tar")
    assert held(cache) == {"000001.tar", "000003.tar", "000000.tar"}


def test_a_limit_smaller_than_a_shard_still_reads(server, cache):
    cache = Cache(cache.folder, 1000, cache.patience)
    for name in SHARDS:
        assert read(cache, server, name) == SHARDS[name]
    assert len(held(cache)) == 1


def test_processes_that_want_the_same_shard_fetch_it_once(server, cache):
    code = (
        "import sys; from pathlib import Path; from common_fate.remote.cache import Cache\n"
        "file = Cache(Path(sys.argv[1])).open(sys.argv[2], sys.argv[3], 100_000)\n"
        "assert file.read() == bytes([1]) * 100_000"
    )
    server.befall("000001.tar", stalled(0.3, at=50_000))  # so that the others come meanwhile
    arguments = [sys.executable, "-c", code, cache.folder, f"{server.url}/000001.tar", sum_of("000001.tar")]
    processes = [subprocess.Popen(arguments, cwd=ROOT) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(server.asked) == 2
    assert held(cache) == {"000001.tar"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path, server):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(
        UserError, match="cannot be used: a part of the path is a file, not a folder; COMMON_FATE_CACHE names another"
    ):
        read(Cache(tmp_path / "file" / "cache"), server, "000001.tar")


def test_the_default_folder(monkeypatch):
    monkeypatch.delenv("COMMON_FATE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/common-fate")
    monkeypatch.setenv("COMMON_FATE_CACHE", "/elsewhere")
    assert Cache().folder == Path("/elsewhere")
