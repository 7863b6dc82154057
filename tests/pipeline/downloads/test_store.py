import os
import subprocess
import sys
from pathlib import Path

import pytest

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from pipeline.downloads.store import Store, claimant_of

A, B = Video("a", "web", "there"), Video("b", "web", "elsewhere")


def kept(store: Store, video: Video, claimant: str, data: bytes = b"video"):
    with store.arriving(video) as partial:
        partial.write_bytes(data)
        return store.keep(video, partial, claimant)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file()}


def test_the_same_bytes_from_two_addresses_are_one_copy(tmp_path: Path):
    store = Store(tmp_path)
    stored = kept(store, A, "one")
    assert kept(store, B, "two") == stored
    assert store.claimed(B, "three") == stored
    assert store.path(stored.sha256).read_bytes() == b"video"
    assert len([path for path in (tmp_path / "sha256").rglob("*") if path.is_file()]) == 1
    assert store.claimed(Video("a", "web", "changed"), "one") is None


def test_a_copy_goes_when_nobody_needs_it(tmp_path: Path):
    store = Store(tmp_path)
    stored = kept(store, A, "one")
    store.claimed(A, "two")
    store.release(stored, "one")
    store.release(stored, "one")
    assert store.has(stored), "two needs it"
    store.release(stored, "two")
    assert not store.has(stored)
    assert store.claimed(A, "one") is None
    assert files(tmp_path) == {"known"}
    assert kept(store, A, "one") == stored


def test_one_that_was_cut_short_is_none(tmp_path: Path):
    store = Store(tmp_path)
    stored = kept(store, A, "one")
    store.path(stored.sha256).write_bytes(b"vid")
    assert store.claimed(A, "one") is None
    [index] = (tmp_path / "known").rglob("*.json")
    index.write_text('{"sha256": "../../x", "bytes": 5}')
    assert store.claimed(A, "one") is None


def test_one_job_at_a_time_fetches_a_video(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from pipeline.downloads.store import *\n"
        "with Store(Path(sys.argv[1])).arriving(Video('a', 'web', 'there')) as partial:\n"
        "    print(partial.exists(), flush=True)"
    )
    with Store(tmp_path).arriving(A) as partial:
        other = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert other.stderr is not None
        assert "another process is writing it: waiting" in other.stderr.readline()
        partial.write_bytes(b"vid")
    assert other.communicate()[0] == "True\n"
    with Store(tmp_path).arriving(B):
        pass


def test_folders_and_files_are_the_groups_where_the_umask_says_so(tmp_path: Path):
    before = os.umask(0o002)
    try:
        kept(Store(tmp_path / "store"), A, "one")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "store").rglob("*")}
    assert modes == {0o775, 0o664}


def test_a_store_that_cannot_be_is_one_line(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/arriving/.*: the store of downloads cannot be used: a part of the path"):
        kept(Store(tmp_path / "file"), A, "one")


def test_a_claimant_is_the_same_whatever_its_folder_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert claimant_of(Path("results/x"), "000000") == claimant_of(tmp_path / "results/x", "000000")
