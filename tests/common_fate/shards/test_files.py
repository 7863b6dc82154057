import contextlib
import errno
from pathlib import Path

import pytest

from common_fate.errors import UserError
from common_fate.shards import files
from common_fate.shards.files import atomic, write_atomic


def test_a_file_is_written_whole(tmp_path: Path):
    write_atomic(tmp_path / "new" / "a.json", b"whole")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.json"]
    assert (tmp_path / "new" / "a.json").read_bytes() == b"whole"


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "a.json"
    write_atomic(path, b"old")
    with contextlib.suppress(KeyboardInterrupt), atomic(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_until_the_end_the_old_file_stands(tmp_path: Path):
    path = tmp_path / "a.json"
    write_atomic(path, b"old")
    with atomic(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_what_a_killed_run_left_of_this_file_is_removed_and_of_others_not(tmp_path: Path):
    (tmp_path / ".a.json.tmp").touch()  # it held the path
    (tmp_path / ".a.json.0123abcd.tmp").touch()
    (tmp_path / ".b.json.0123abcd.tmp").touch()
    write_atomic(tmp_path / "a.json", b"new")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", ".b.json.0123abcd.tmp"}


@pytest.mark.parametrize(("code", "says"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only")])
def test_a_disk_that_refuses_is_one_clear_line_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, says: str
):
    def refuse(descriptor: int) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(UserError, match=says) as caught:
        write_atomic(tmp_path / "a.json", b"data")
    assert str(tmp_path / "a.json") in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_said_so(tmp_path: Path):
    (tmp_path / "results").touch()
    with pytest.raises(UserError, match="cannot be written"):
        write_atomic(tmp_path / "results" / "a.json", b"data")
