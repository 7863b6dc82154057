import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from io import BufferedRandom, FileIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, UserError
from pipeline import sources
from pipeline.columns.frames.stage import STAGE, FramesOptions, resized_shape
from pipeline.sources.source import Frame, Source, Unreadable
from pipeline.stages.stage import Failure, resolved
from tests.support.clips import number_in, picture, write_clip

SIZE = (96, 128)


def scripted(frames: int, unreadable: Sequence[int] = (), dies_at: int | None = None) -> Source:
    """A source whose frames show their numbers, save for those that cannot be read."""

    def read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
        for number in wanted:
            if number == dies_at:
                raise SampleError("the disk went")
            if number in unreadable:
                yield Unreadable(number, "torn")
            else:
                yield Frame(number, number / 25, picture(number, SIZE[1], SIZE[0]))

    return Source("scripted", object, lambda options, where: [], lambda video: range(frames), read, None, "all")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    def run(source: Source, **options: Any) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        monkeypatch.setitem(sources.SOURCES, "scripted", source)
        outcomes = list(STAGE.run(iter([("v", {"video": Video("v", "scripted", "")})]), FramesOptions(**options)))
        keys = [one.key if isinstance(one, Failure) else one[0] for one in outcomes]
        assert keys == sorted(set(keys))  # in the order of the column, one outcome a key
        made = {one[0]: dict(one[1]) for one in outcomes if not isinstance(one, Failure)}
        return made, {one.key: one.reason for one in outcomes if isinstance(one, Failure)}

    return run


def test_many_damaged_frames_take_no_longer_each_than_few(run):
    start = time.process_time()
    made, failures = run(scripted(40_000, unreadable=range(1, 40_000)), pairs={"offset": 20_000})
    assert time.process_time() - start < 20  # 40,000 of them took 114 s
    assert (len(made), len(failures)) == (1, 39_999)
    assert set(failures.values()) == {"torn", "torn; a pair that another frame starts is lost with it"}


def facts(made: dict[str, dict[str, Any]], name: str) -> list[Any]:
    return [sample["json"][name] for sample in made.values()]


def test_a_full_temporary_folder_is_one_line_and_no_failed_video(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "pipeline.columns.frames.stage.SpooledTemporaryFile", lambda max_size: BufferedRandom(FileIO("/dev/full", "r+"))
    )
    with pytest.raises(UserError, match=r"the temporary folder .* fails: the disk is full: .* set TMPDIR"):
        run(scripted(4), filters=["cuts"])


def test_frames_are_stored_with_what_is_known_of_them(run):
    made, failures = run(scripted(4), shorter_side=48)
    assert list(made) == ["v-000000", "v-000001", "v-000002", "v-000003"]
    assert not failures
    assert made["v-000001"]["json"] == {
        "video": "v",
        "frame": 1,
        "seconds": 0.04,
        "width": 64,
        "height": 48,
        "next": 2,
        "previous": None,
    }


def test_the_jpeg_is_the_frame(run):
    made, _ = run(scripted(2), shorter_side=None)
    decoded = cv2.imdecode(np.frombuffer(made["v-000001"]["jpg"], np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(decoded.astype(int) - picture(1, SIZE[1], SIZE[0])).mean() < 3


def test_lower_quality_is_smaller(run):
    assert len(run(scripted(1), jpeg_quality=50)[0]["v-000000"]["jpg"]) < len(run(scripted(1))[0]["v-000000"]["jpg"])


def test_pairs_name_the_next_frame(run):
    made, _ = run(scripted(30), select={"list": [1, 4, 10, 21, 28]})
    assert facts(made, "next") == [4, 10, None, 28, None]


def squeezed(image: np.ndarray, shown: tuple[int, int] | None) -> Source:
    def read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
        return iter([Frame(number, None, image, shown) for number in wanted])

    return Source("squeezed", object, lambda options, where: [], lambda video: range(2), read, None, "all")


@pytest.mark.parametrize(
    ("shown", "side", "size"),
    [((96, 171), None, (171, 96)), ((96, 171), 64, (114, 64)), ((192, 128), None, (128, 192)), (None, None, (128, 96))],
)
def test_pixels_become_square_where_that_is_asked_for(
    run, shown: tuple[int, int] | None, side: int | None, size: tuple[int, int]
):
    source = squeezed(picture(5), shown)
    made, _ = run(source, square_pixels=True, shorter_side=side)
    assert (facts(made, "width")[0], facts(made, "height")[0]) == size
    decoded = cv2.imdecode(np.frombuffer(made["v-000000"]["jpg"], np.uint8), cv2.IMREAD_COLOR_RGB)
    assert decoded.shape[1::-1] == size
    assert np.abs(cv2.resize(decoded, (128, 96)).astype(int) - picture(5)).mean() < 12
    kept, _ = run(source, shorter_side=None)
    assert (facts(kept, "width")[0], facts(kept, "height")[0]) == (128, 96)


def test_options_that_came_later_leave_records_as_they_were():
    assert not {"square_pixels", "deinterlace"} & resolved(FramesOptions()).keys()
    assert resolved(FramesOptions(deinterlace=True))["deinterlace"] is True
    assert "libavfilter" not in STAGE.provenance(FramesOptions())
    assert "libavfilter" in STAGE.provenance(FramesOptions(deinterlace=True))


def test_triplets_name_both_neighbours(run):
    made, _ = run(scripted(30), select={"list": [1, 4, 10, 21]}, triplets=True)
    assert facts(made, "next") == [None, 10, None, None]
    assert facts(made, "previous") == [None, 1, None, None]


def test_an_unreadable_frame_is_a_row_that_tells_that_it_costs_a_pair(run):
    made, failures = run(scripted(6, unreadable=[3]))
    assert facts(made, "frame") == [0, 1, 2, 4, 5]
    assert facts(made, "next") == [1, 2, None, 5, None]
    assert failures == {"v-000003": "torn; a pair that another frame starts is lost with it"}


def test_an_unreadable_first_frame_costs_no_other_pair(run):
    made, failures = run(scripted(3, unreadable=[0]))
    assert facts(made, "next") == [2, None]
    assert failures == {"v-000000": "torn"}


def test_a_lost_offset_partner_is_found_out_in_time(run):
    made, failures = run(scripted(12, unreadable=[7]), select={"list": [1, 2, 3]}, pairs={"offset": 5})
    assert facts(made, "frame") == [1, 2, 3, 6, 8]
    assert facts(made, "next") == [6, None, 8, None, None]
    assert failures == {"v-000007": "torn; a pair that another frame starts is lost with it"}


def test_a_lost_neighbour_costs_a_triplet_whole(run):
    made, failures = run(scripted(5, unreadable=[1]), triplets=True)
    assert facts(made, "next") == [None, None, 4, None]
    assert facts(made, "previous") == [None, None, 2, None]
    assert failures == {"v-000001": "torn; a pair that another frame starts is lost with it"}


def test_a_frame_that_the_video_lacks_is_a_row(run, tmp_path: Path):
    clip = write_clip(tmp_path / "a.mp4", frames=3)
    outcomes = list(
        STAGE.run(iter([("a", {"video": Video("a", "videos", str(clip))})]), FramesOptions(select={"list": [1, 9]}))
    )
    assert outcomes[-1] == Failure("a-000009", "no such frame")


def test_a_video_that_cannot_be_read_is_a_row_and_the_next_one_goes_on(tmp_path: Path):
    (tmp_path / "a.mp4").touch()
    clip = write_clip(tmp_path / "b.mp4", frames=2)
    videos = [
        ("a", {"video": Video("a", "videos", str(tmp_path / "a.mp4"))}),
        ("b", {"video": Video("b", "videos", str(clip))}),
    ]
    failure, *made = STAGE.run(iter(videos), FramesOptions())
    assert failure == Failure("a", "the file is empty", lost=None)
    assert [key for key, _ in made] == ["b-000000", "b-000001"]


def test_one_frame_is_stored_and_told_to_make_no_pair(run):
    made, failures = run(scripted(1))
    assert facts(made, "next") == [None]
    assert failures == {"v": "one frame only: no pair"}
    assert run(scripted(1), pairs="none") == (made, {})


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"select": {"every": 10}}, "no selected frames are at most 9 apart: no pair"),
        ({"pairs": {"offset": 50}}, "no selected frame has a partner 50 away: no pair"),
        ({"select": {"list": [0, 1]}, "triplets": True}, "no selected frames are at most 9 apart: no triplet"),
    ],
)
def test_a_video_without_pairs_is_a_row(run, options: dict[str, Any], reason: str):
    made, failures = run(scripted(30), **options)
    assert made
    assert failures == {"v": reason}


def test_a_source_that_dies_midway_keeps_what_it_gave(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sources.SOURCES, "scripted", scripted(6, dies_at=3))
    *made, failure = STAGE.run(iter([("v", {"video": Video("v", "scripted", "")})]), FramesOptions())
    assert [sample["json"]["next"] for _, sample in made] == [1, 2, None]
    assert failure == Failure("v", "the disk went; the rest of the video is lost with it", lost=3)


def test_a_real_clip_stores_the_frames_that_were_asked_for(tmp_path: Path):
    clip = write_clip(tmp_path / "a.mp4", frames=24, options={"bf": "3"})
    options = FramesOptions(select={"every": 5}, shorter_side=None)
    made = dict(STAGE.run(iter([("a", {"video": Video("a", "videos", str(clip))})]), options))
    shown = [cv2.imdecode(np.frombuffer(s["jpg"], np.uint8), cv2.IMREAD_COLOR_RGB) for s in made.values()]
    assert [number_in(image) for image in shown] == facts(made, "frame") == [0, 5, 10, 15, 20]
    assert facts(made, "next") == [5, 10, 15, 20, None]


def test_davis_at_the_default_size(shared_data: Path):
    source = sources.SOURCES["frames"]
    options = source.options(path=f"{shared_data}/davis2016/JPEGImages/480p/blackswan")
    [video] = source.videos(options, "config.yaml: datasets.davis.source")
    made = dict(STAGE.run(iter([("b", {"video": video})]), FramesOptions(select={"every": 10}, pairs={"offset": 5})))
    assert set(facts(made, "height")) == {416}
    assert set(facts(made, "width")) == {740}


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(16, 2000))
def test_a_resized_frame_keeps_its_shape_and_never_grows(height: int, width: int, shorter: int):
    new_height, new_width = resized_shape(height, width, shorter)
    if min(height, width) <= shorter:
        assert (new_height, new_width) == (height, width)
    else:
        assert min(new_height, new_width) == shorter
        scale = shorter / min(height, width)
        assert abs(new_height - height * scale) <= 0.5
        assert abs(new_width - width * scale) <= 0.5


def test_without_a_shorter_side_frames_keep_their_size():
    assert resized_shape(3000, 4000, None) == (3000, 4000)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"select": "some"}, "select must be all"),
        ({"pairs": {"gap": 1}}, "pairs must be none"),
        ({"triplets": 1}, "triplets must be true or false"),
        ({"triplets": True, "pairs": "none"}, "use {max_gap: n} or {offset: n}"),
        ({"shorter_side": 0}, "shorter_side must be a whole number from 16 to 8192"),
        ({"jpeg_quality": 101}, "jpeg_quality must be a whole number from 1 to 100"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"filters": ["cut"]}, "filters must be a list of some of cuts, black, duplicates"),
    ],
)
def test_wrong_options_are_refused_with_what_would_be_right(wrong: dict[str, Any], right: str):
    with pytest.raises(ValueError, match=r"^[a-z_]+") as error:
        FramesOptions(**wrong)
    assert right in str(error.value)


def test_options_and_provenance_are_json():
    options = FramesOptions()
    assert json.loads(json.dumps(asdict(options))) == asdict(options)
    assert set(STAGE.provenance(options)) == {"libavcodec", "libavformat", "libswscale"}
