import glob
import os
from pathlib import Path

import pytest

from common_fate.errors import UserError
from pipeline.sources.listing import as_videos, check_paths, find

WHERE = "config.yaml: datasets.mylab.source"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mkv", "sub/c.mp4", "sub/deep/d.mp4", ".hidden/e.mp4", "sub/.f.mp4", "sub/g [1].mp4"):
        path = tmp_path / "vids" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))
    return tmp_path / "vids"


@pytest.mark.parametrize(
    "pattern", ["*.mp4", "**/*.mp4", "*/*.mp4", "**", "sub/**/*", "?.m*", "[ab].*", "*/.f*", "**/d*"]
)
def test_finds_what_python_globs(tree: Path, pattern: str):
    expected = {path for path in glob.glob(f"{tree}/{pattern}", recursive=True) if os.path.isfile(path)}
    assert {one.path for one in find(f"{tree}/{pattern}", WHERE)} == expected


@pytest.mark.parametrize("pattern", ["*", "**", "*/*", "s*"])
def test_finds_the_folders_python_globs(tree: Path, pattern: str):
    expected = {path.rstrip("/") for path in glob.glob(f"{tree}/{pattern}/", recursive=True)} - {str(tree)}
    assert {one.path for one in find(f"{tree}/{pattern}", WHERE, folders=True)} == expected


def test_names_are_relative_to_the_folder_before_the_first_wildcard(tree: Path):
    assert {one.relative for one in find(f"{tree}/**/c.mp4", WHERE)} == {"sub/c.mp4"}
    assert {one.relative for one in find(f"{tree}/sub/*c.mp4", WHERE)} == {"c.mp4"}


def test_sizes_come_with_the_listing(tree: Path):
    assert [one.bytes for one in find(f"{tree}/*.mkv", WHERE)] == [len("b.mkv")]


def ids(path: str | list[str]) -> list[str]:
    return [video.video for video in as_videos(find(path, WHERE), "videos", None, WHERE)]


def test_a_whole_path_is_named_by_its_own_name_wherever_it_lies(tree: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tree)
    for path in ("sub/c.mp4", "./sub/c.mp4", "../vids/sub/c.mp4", str(tree / "sub/c.mp4")):
        assert ids(path) == ["c"]
        assert ids([path, "a.mp4"]) == ["a", "c"]
    (tree / "list.txt").write_text(f"../vids/sub/c.mp4\n{tree}/a.mp4\nsub/deep/d.mp4\n")
    assert ids("list.txt") == ["a", "c", "sub__deep__d"]


def test_whole_paths_of_one_name_take_what_tells_them_apart(tree: Path):
    for name in ("x/left/1.mp4", "y/left/1.mp4", "y/right/1.mkv", "y/right/2.mkv"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    entries = [f"{tree}/{name}" for name in ("x/left/1.mp4", "y/left/1.mp4", "y/right/1.mkv", "y/right/2.mkv")]
    assert ids(entries) == ["2", "right__1", "x__left__1", "y__left__1"]
    assert ids([f"{tree}/x/left/*.mp4", f"{tree}/y/left/1.mp4"]) == ["1", "left__1"]


def test_overlapping_patterns_take_a_file_once_by_the_first_name(tree: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tree)
    assert ids([f"{tree}/**/*.mp4", f"{tree}/sub/*.mp4", "a.mp4", str(tree / "sub" / "c.mp4")]) == ids(
        f"{tree}/**/*.mp4"
    )


def test_a_file_whose_name_holds_wildcards_is_found_as_it_is(tree: Path):
    assert [one.path for one in find(f"{tree}/sub/g [1].mp4", WHERE)] == [f"{tree}/sub/g [1].mp4"]


def test_a_text_file_lists_paths_relative_to_itself(tree: Path):
    (tree / "list.txt").write_text(f"# mine\n\nsub/c.mp4\n{tree}/a.mp4\nsub/g [1].mp4\n")
    found = find(str(tree / "list.txt"), WHERE)
    assert [one.path for one in found] == [f"{tree}/sub/c.mp4", f"{tree}/a.mp4", f"{tree}/sub/g [1].mp4"]
    assert found[0].relative == "sub/c.mp4"


def test_a_listed_file_that_is_not_there_is_named(tree: Path):
    (tree / "list.txt").write_text("a.mp4\nno.mp4\n")
    with pytest.raises(UserError, match=r"list\.txt': 'no\.mp4' is no file"):
        find(str(tree / "list.txt"), WHERE)


def test_the_home_folder_is_expanded(tree: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tree))
    assert [one.relative for one in find("~/*.mkv", WHERE)] == ["b.mkv"]


def test_the_environment_is_expanded(tree: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLIPS", str(tree))
    assert [one.relative for one in find("$CLIPS/*.mkv", WHERE)] == ["b.mkv"]
    (tree / "list.txt").write_text("${CLIPS}/a.mp4\n")
    assert [one.path for one in find("$CLIPS/list.txt", WHERE)] == [f"{tree}/a.mp4"]
    with pytest.raises(UserError, match=r"\$NOTHING/\*\.mkv' matches no file"):
        find("$NOTHING/*.mkv", WHERE)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_list_of_any_editor_is_read(tree: Path, encoding: str, newline: str):
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    (tree / "list.txt").write_bytes(mark + newline.join(["sub/c.mp4", "a.mp4", ""]).encode(encoding))
    assert [one.path for one in find(str(tree / "list.txt"), WHERE)] == [f"{tree}/sub/c.mp4", f"{tree}/a.mp4"]


@pytest.mark.parametrize("content", [b"a.mp4\0b.mp4\0", "a.mp4\n".encode("utf-16-le"), b"\xff\xfea"])
def test_a_list_that_is_no_text_is_refused_in_one_line(tree: Path, content: bytes):
    (tree / "list.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"source\.path '.*list\.txt': ") as error:
        find(str(tree / "list.txt"), WHERE)
    assert "\n" not in str(error.value)


def test_a_glob_that_matches_nothing_is_refused_by_its_key(tree: Path):
    with pytest.raises(UserError) as error:
        find([f"{tree}/*.mp4", f"{tree}/*.avi"], WHERE)
    assert str(error.value) == f"config.yaml: datasets.mylab.source.path '{tree}/*.avi' matches no file"


def test_a_folder_for_a_file_is_refused_with_advice(tree: Path):
    with pytest.raises(UserError, match=r"matches no file \(it is a folder; write '.*/vids/\*'\)"):
        find(str(tree), WHERE)


def test_an_unreadable_folder_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch):
    scan = os.scandir

    def refuse(path: str):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"source\.path '.*': cannot read '.*/sub/deep': Permission denied"):
        find(f"{tree}/**/*.mp4", WHERE)


def test_a_link_to_a_folder_above_ends(tree: Path):
    (tree / "sub" / "up").symlink_to(tree)
    assert f"{tree}/sub/c.mp4" in {one.path for one in find(f"{tree}/**/*.mp4", WHERE)}


def test_a_link_to_another_folder_is_followed(tree: Path, tmp_path: Path):
    (tmp_path / "disk2").mkdir()
    (tmp_path / "disk2" / "z.mp4").touch()
    (tree / "more").symlink_to(tmp_path / "disk2")
    assert "more/z.mp4" in {one.relative for one in find(f"{tree}/**/*.mp4", WHERE)}


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")).touch()
    with pytest.raises(UserError, match="is not UTF-8; rename it"):
        find(f"{tmp_path}/*", WHERE)


def test_videos_are_sorted_by_id_and_carry_the_licence(tree: Path):
    videos = as_videos(find(f"{tree}/**/*.mp4", WHERE), "videos", "CC0", WHERE)
    assert [video.video for video in videos] == sorted(video.video for video in videos)
    assert {video.license for video in videos} == {"CC0"}


def test_two_files_that_differ_in_extension_alone_are_refused(tree: Path):
    (tree / "a.mkv").touch()
    with pytest.raises(UserError, match=r"source\.path: '.*/a\.m..' and '.*/a\.m..' would both be called 'a'; rename"):
        as_videos(find(f"{tree}/*", WHERE), "videos", None, WHERE)


@pytest.mark.parametrize("path", ["", [], ["a", 1], 5, None])
def test_what_is_no_path_is_refused(path: object):
    with pytest.raises(ValueError, match="path must be a path, a glob"):
        check_paths(path)


def test_another_file_changes_no_id(tree: Path):
    before = {video.video for video in as_videos(find(f"{tree}/**/*.mp4", WHERE), "videos", None, WHERE)}
    (tree / "another.mp4").touch()
    after = {video.video for video in as_videos(find(f"{tree}/**/*.mp4", WHERE), "videos", None, WHERE)}
    assert after - before == {"another"}
    assert before <= after
