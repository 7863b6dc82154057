"""What is known of videos, where it comes from elsewhere and may be anything."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common_fate.datasets.catalog import Video, about_digest, shard_digests
from common_fate.datasets.share.description import portable_video
from common_fate.errors import ShardError
from common_fate.manifest.videos import licence_table, read_videos, videos_file


@pytest.mark.parametrize(
    "about", ["", "no", "[]", "null", '{"title": 1}', "[" * 10**5, '{"title": "a", "title": "b"}', "[" + "1," * 10**6]
)
def test_about_that_says_nothing_is_carried_and_not_believed(tmp_path: Path, about: str):
    (tmp_path / "videos.parquet").write_bytes(videos_file([Video("a", "urls", "", "CC BY 4.0", about=about)]))
    (row,) = read_videos(tmp_path).to_pylist()
    assert row == {
        "video": "a",
        "license": "CC BY 4.0",
        "attribution": None,
        "title": None,
        "page": None,
        "about": about,
    }


def test_who_asks_for_credit_is_counted():
    licences = ["CC BY 2.0", "CC0", "https://creativecommons.org/licenses/by-sa/4.0/", None, None]
    videos = [Video(str(number), "urls", "", licence) for number, licence in enumerate(licences)]
    named = Video("n", "urls", "", None, about='{"attribution": "Ann"}')
    rows = [
        [cell.strip() for cell in line.split("|")[2:-1]] for line in licence_table([*videos, named]).split("\n")[2:]
    ]
    assert rows == [["CC BY 2.0", "1", "1"], ["CC0", "1", "0"], [licences[2], "1", "1"], ["not stated", "3", "1"]]
    many = licence_table([Video(str(number), "urls", "", str(number)) for number in range(99)]).split("\n")
    assert len(many) == 53
    assert "49 others |       49 |                0" in many[-1]


def test_a_table_of_other_videos_is_refused(tmp_path: Path):
    table = pa.table({name: ["../a"] for name in ("video", "license", "attribution", "title", "page", "about")})
    pq.write_table(table, tmp_path / "videos.parquet")
    with pytest.raises(ShardError, match=r"videos\.parquet: not a manifest: '../a' is no id of a video"):
        read_videos(tmp_path)
    pq.write_table(table.drop_columns("about"), tmp_path / "videos.parquet")
    with pytest.raises(ShardError, match=r"videos\.parquet: not a manifest: it lacks the column about"):
        read_videos(tmp_path)


def test_what_is_known_shapes_no_shard():
    first, other = (Video("a", "urls", "{}", about=f'{{"title": "{title}"}}') for title in "xy")
    assert shard_digests([["a"]], [first]) == shard_digests([["a"]], [other])
    assert about_digest([first]) != about_digest([other])


@pytest.mark.parametrize(("address", "travels"), [("https://a/b", True), ("s3://a/b", True), ("file:///a/b", False)])
def test_addresses_of_this_machine_stay_here(address: str, travels: bool):
    uri = f'{{"address": "{address}", "bytes": 7}}'
    assert portable_video(Video("a", "urls", uri)).uri == (uri if travels else "")
