"""The dataset's metadata as it is distributed, in small."""

import bz2
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from pipeline.config.load import load
from pipeline.sources.yfcc.lines import COLUMNS
from pipeline.sources.yfcc100m import media_hash

Row = dict[str, str]


def row(number: int, **facts: str) -> Row:
    known = {
        "photoid": str(6_000_000_000 + number),
        "uid": "39019111@N00",
        "unickname": "guck+xzs",
        "datetaken": "2010-07-01 12:00:00.0",
        "dateuploaded": "1331840483",  # 15 March 2012
        "title": f"Clip+{number}",
        "downloadurl": f"http://www.flickr.com/videos/{number}/play/orig/0123456789/",
        "pageurl": f"http://www.flickr.com/photos/39019111@N00/{number}/",
        "licensename": "Attribution-NonCommercial+License",
        "licenseurl": "http://creativecommons.org/licenses/by-nc/2.0/",
        "ext": "mov",
        "marker": "1",
    }
    return dict.fromkeys(COLUMNS, "") | known | facts


PHOTO = row(9999, marker="0", ext="jpg", description="1")


def as_text(rows: list[Row], with_hash: bool = False) -> bytes:
    lines = []
    for number, one in enumerate(rows):
        values = list(one.values())
        if with_hash:
            values = [str(number), values[0], media_hash(one["downloadurl"]), *values[1:]]
        lines.append("\t".join(values) + "\n")
    return "".join(lines).encode()


def written(folder: Path, rows: list[Row]) -> Path:
    (folder / "yfcc100m_dataset").write_bytes(as_text([PHOTO, *rows]))
    return folder / "yfcc100m_dataset"


def listed(path: Path | str, **options: Any) -> list[Video]:
    cache = str(Path(path).parent / "listings")
    source = {"kind": "yfcc100m", "path": str(path), "cache": cache, **options}
    return load({"datasets": {"x": {"source": source}}})["x"].videos()


def numbers(videos: list[Video]) -> list[int]:
    return [int(video.video) - 6_000_000_000 for video in videos]


def test_the_hash_is_that_of_a_line_of_the_dataset():
    """As the guide to the dataset at lbsn.vgiscience.org/tutorial/yfcc-introduction shows it."""
    assert (
        media_hash("http://farm8.staticflickr.com/7205/6985418911_df7747990d.jpg") == "4e2f7a26a1dfbf165a7e30bdabf7e72a"
    )


def test_a_line_becomes_a_video(tmp_path: Path):
    (video,) = listed(written(tmp_path, [row(1, title="%C3%89t%C3%A9+%26+mer%0A\\x1b")]))
    name = media_hash(row(1)["downloadurl"])
    assert (video.video, video.kind, video.license, video.bytes) == ("6000000001", "yfcc100m", "CC BY-NC 2.0", None)
    address = f"https://multimedia-commons.s3-us-west-2.amazonaws.com/data/videos/mp4/{name[:3]}/{name[3:6]}/{name}.mp4"
    assert json.loads(video.uri) == {"address": address}
    assert json.loads(video.about or "") == {
        "attribution": "guck xzs (39019111@N00)",
        "page": "http://www.flickr.com/photos/39019111@N00/1/",
        "taken": "2010-07-01 12:00:00.0",
        "title": "Été & mer \\x1b",
    }
    assert json.loads(listed(tmp_path / "yfcc100m_dataset", media="file:///copy/")[0].uri)["address"].startswith(
        f"file:///copy/data/videos/mp4/{name[:3]}/"
    )


def test_every_form_gives_the_same(tmp_path: Path):
    rows = [row(number) for number in range(20)]
    halves = bz2.compress(as_text(rows[:7])) + bz2.compress(as_text(rows[7:]))  # streams, as pbzip2 writes them
    files = {
        "plain": as_text([PHOTO, *rows]),
        "hash": as_text([PHOTO, *rows], with_hash=True),
        "crlf": as_text(rows).replace(b"\n", b"\r\n"),
        "streams.bz2": halves,
        "hash.bz2": bz2.compress(as_text(rows, with_hash=True)),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    pq.write_table(pa.Table.from_pylist([PHOTO, *rows]), tmp_path / "text.parquet", row_group_size=8)
    typed = [one | {"photoid": int(one["photoid"]), "marker": int(one["marker"])} for one in (PHOTO, *rows)]
    pq.write_table(pa.Table.from_pylist(typed), tmp_path / "typed.parquet")
    first, *others = [listed(tmp_path / name) for name in (*files, "text.parquet", "typed.parquet")]
    assert numbers(first) == list(range(20))
    assert all(other == first for other in others)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"licenses": ["CC BY 2.0", "CC BY-SA 2.0"]}, [2]),
        ({"keywords": ["Dog"]}, [3, 4, 5]),
        ({"keywords": ["golden gate", "été"]}, [6, 7]),
        ({"taken": [2008, 2009]}, [8]),
        ({"taken": ["2010-07-02", "2011-01"]}, [9, 10]),
        ({"uploaded": ["2013-01-01", 2013]}, [11]),
        ({"ids": [6_000_000_001, "6000000003"]}, [1, 3]),
        ({"ids": "ids.txt", "keywords": ["dog", "cat"]}, [3]),
        ({"countries": ["switzerland", "Côte d'Ivoire"]}, [1, 4]),
        ({"countries": ["Switzerland"], "keywords": ["dog"]}, [4]),
    ],
)
def test_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], left: list[int]):
    facts: dict[int, Row] = {
        1: {"title": "hotdogs"},
        2: {"licenseurl": "http://creativecommons.org/licenses/by/2.0/"},
        3: {"title": "DOG%21"},
        4: {"usertags": "cat,my+dog,zoo"},
        5: {"description": "a+%3Cb%3Edog%3C%2Fb%3E"},
        6: {"usertags": "golden+gate,bay"},
        7: {"title": quote_plus("Été 1")},
        8: {"datetaken": "2009-12-31 23:59:59.0"},
        9: {"datetaken": "2010-07-02 00:00:00.0"},
        10: {"datetaken": "2011-01-31 00:00:00.0"},
        11: {"dateuploaded": "1357000000"},
        12: {"datetaken": "null", "dateuploaded": ""},
    }
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ids.txt").write_text("# mine\n6000000003\n6000000009\n")
    swiss, ivory = "1:Bern:Town,2:Switzerland:Country", "3:C%C3%B4te+d%27Ivoire:Country"
    places = {1: ivory, 2: "4:Switzerland+Road:Street,5:United+States:Country", 3: "", 4: swiss, 9999: swiss}
    text = "".join(f"{6_000_000_000 + number}\t{place}\n" for number, place in reversed(places.items()))
    (tmp_path / "places.bz2").write_bytes(bz2.compress(text.encode()))
    more = {"places": "places.bz2"} if "countries" in options else {}
    path = written(tmp_path, [row(number, **known) for number, known in facts.items()])
    assert numbers(listed(path, **options, **more)) == left


def test_a_sample_depends_on_neither_order_nor_files(tmp_path: Path):
    rows = [row(number) for number in range(400)]
    whole = tmp_path / "whole"
    whole.write_bytes(as_text(rows))
    random.Random(1).shuffle(rows)
    for part in range(3):
        (tmp_path / f"part-{part}").write_bytes(as_text([*rows[part::3], rows[0]]))  # one in all of them
    sample = listed(whole, sample=50)
    assert len(sample) == 50
    assert listed(f"{tmp_path}/part-*", sample=50) == sample
    assert set(numbers(listed(whole, sample=20))) < set(numbers(sample))
    other = set(numbers(listed(whole, sample=50, seed=1)))
    assert len(other) == 50
    assert len(other & set(numbers(sample))) < 25
    assert 100 < sum(numbers(sample)) / 50 < 300
    assert len(listed(whole, preset="cmp")) == 400
    assert listed(whole, preset="cmp", sample=50) == sample


def test_what_was_selected_is_kept(tmp_path: Path):
    path = written(tmp_path, [row(number) for number in range(9)])
    first = listed(path, sample=3)
    (kept,) = (tmp_path / "listings").iterdir()
    made = kept.read_bytes()
    state = path.stat()
    path.write_bytes(bytes(state.st_size))  # were it read again, nothing would be found
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert listed(path, sample=3) == first
    kept.write_bytes(made[:-9])  # damaged
    with pytest.raises(UserError, match="columns where yfcc100m_dataset has 23 or 25"):
        listed(path, sample=3)
    written(tmp_path, [row(number) for number in range(4)])
    assert set(numbers(listed(path, sample=3))) <= set(range(4))
    assert len(list((tmp_path / "listings").iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        (
            "x",
            b"6985418911\t4e2f7a26a1df\n",
            "line 1 has 2 columns where yfcc100m_dataset has 23 or 25: this is another",
        ),
        ("x", as_text([row(1), row(2)])[:-9], "line 2 has 19 columns where"),
        ("x", as_text([row(1, photoid="../x")]), "'../x' is no id of a video: this is no file of the dataset"),
        ("x", b"\0" * 2**22, "it has a line of more than 1048576 bytes"),
        ("x.bz2", bz2.compress(bytes(2**26)), "it has a line of more than 1048576 bytes"),
        ("x.bz2", bz2.compress(as_text([row(1)]))[:-5], "it is cut short: copy it again"),
        ("x.bz2", as_text([row(1)]), "cannot be read: damaged: copy it again"),
        ("x.parquet", b"no", "it does not end like a Parquet file"),
        ("x", as_text([PHOTO]), "no video is left of those in"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, name: str, data: bytes, said: str):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=said) as raised:
        listed(tmp_path / name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"countries": ["France"]}, "countries are in the file yfcc100m_places: say where it is with `places`"),
        ({"taken": ["May", "June"]}, "taken should be two dates, such as"),
        ({"licenses": ["CC BY 9.0"]}, r"licenses\[0\] is 'CC BY 9.0': should be one of CC BY 2.0"),
        ({"ids": ["abc"]}, "ids: entry 1, 'abc', is no id: they are numbers"),
        ({"countries": ["Atlantis"], "places": "places"}, "nothing in atlantis; its countries are France"),
        ({"media": "bucket"}, "not an address: it should begin with http://"),
    ],
)
def test_options_that_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], said: str):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "places").write_text("6000000001\t1:France:Country\n")
    with pytest.raises(UserError, match=said):
        listed(written(tmp_path, [row(1)]), **options)


def test_memory_does_not_grow_with_the_lines(tmp_path: Path):
    """300,000 lines of photos, and a sample of the videos among them."""
    lines = as_text([*[PHOTO] * 95, *[row(number) for number in range(5)]])
    (tmp_path / "x.bz2").write_bytes(bz2.compress(lines) * 3_000)
    code = (
        "import resource, sys\n"
        "from pipeline.sources.yfcc100m import *\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "found = SOURCE.videos(Yfcc100mOptions(sys.argv[1], sample=3, cache=sys.argv[1] + '.cache'), 'x')\n"
        "print(len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.bz2")], capture_output=True, text=True)
    videos, more = map(int, done.stdout.split() or done.stderr)
    assert videos == 3
    assert more < 48 * 1024  # kB; the lines are 70 MB
