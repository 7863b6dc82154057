"""The filters: each function against a plain definition, and all of them on films whose cuts are known."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from common_fate.datasets.catalog import Video, write_catalog, write_plan
from common_fate.errors import SampleError
from common_fate.shards.column import Shard
from common_fate.shards.record import Record
from pipeline.cli.app import app
from pipeline.columns.frames.example_film import LASTS, Film, film, write_film
from pipeline.columns.frames.filters import (
    CUT,
    DARK,
    DUPLICATE,
    FILTERS,
    PLAIN,
    Sieve,
    colour_change,
    difference,
    is_black,
    is_plain,
    is_same,
    thumbnail,
    watched,
)
from pipeline.columns.frames.selection import select
from pipeline.columns.frames.stage import STAGE, FramesOptions
from pipeline.sources import SOURCES
from pipeline.sources.source import Frame, Unreadable
from pipeline.stages.runner import run_stage


@st.composite
def thumbnails(draw: st.DrawFn) -> np.ndarray:
    """Noise of few or many levels, with some bright pixels: black up to 46 of them."""
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    small = noise.integers(0, draw(st.sampled_from([5, 20, 256])), (36, 64, 3)).astype(np.uint8)
    small.reshape(-1, 3)[: draw(st.sampled_from([0, 45, 46, 47, 48]))] = 200
    return small


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Film, Path]:
    example = film()
    return example, write_film(tmp_path_factory.mktemp("film") / "film.mp4", example.pictures)


def cuts_of(pictures: list[np.ndarray]) -> list[int]:
    sieve = Sieve(["cuts"])
    assert not list(sieve.kept((Frame(n, None, picture) for n, picture in enumerate(pictures)), ()))
    return sieve.cuts()


@settings(max_examples=30, deadline=None)
@given(thumbnails(), thumbnails())
def test_differences_are_what_they_are_defined_as(one: np.ndarray, other: np.ndarray):
    apart = np.abs(one.astype(int) - other.astype(int))
    assert difference(one, other) == pytest.approx(apart.mean())
    assert is_same(one, other) == (apart.max() <= 5)
    counts: list[dict[tuple[int, ...], int]] = [{}, {}]
    for small, count in zip((one, other), counts, strict=True):
        for pixel in (small // 32).reshape(-1, 3).tolist():
            count[tuple(pixel)] = count.get(tuple(pixel), 0) + 1
    shared = sum(min(number, counts[1].get(colour, 0)) for colour, number in counts[0].items())
    assert colour_change(one, other) == pytest.approx(1 - shared / (36 * 64))
    grey = one @ np.array([0.299, 0.587, 0.114])
    assert is_black(one) == ((np.floor(grey + 0.5) <= 25).mean() >= 0.98)
    assert is_plain(one) == all(np.ptp(one[..., channel]) <= 5 for channel in range(3))


NUMBERS = st.lists(st.integers(0, 60), min_size=1, max_size=40, unique=True).map(sorted)
PAIRS = st.one_of(
    st.builds(lambda gap: {"max_gap": gap}, st.integers(1, 9)), st.builds(lambda k: {"offset": k}, st.integers(1, 9))
)


@given(NUMBERS, st.sets(st.integers(0, 60)), st.lists(st.integers(0, 60), unique=True), PAIRS, st.booleans())
def test_pairs_are_todays_of_what_is_left_but_for_those_across_a_cut(
    numbers: list[int], without: set[int], cuts: list[int], pairs: dict[str, int], triplets: bool
):
    cuts = sorted(cuts)
    left = [number for number in numbers if number not in without]
    whole, parted = (select(numbers, "all", pairs, triplets, 0, "v", without, some) for some in ((), cuts))
    assert whole == select(left, "all", pairs, triplets, 0, "v")

    def in_one_scene(first: int, second: int) -> bool:
        return not any(min(first, second) < cut <= max(first, second) for cut in cuts)

    near = {first: [second] for first, second in whole.next.items()}
    for first, before in whole.previous.items():
        near[first].append(before)
    assert parted.next == {
        first: whole.next[first] for first, others in near.items() if all(in_one_scene(first, n) for n in others)
    }
    # All that can tell of a cut in a pair is looked at, whatever is dropped in between.
    seen = set(watched(numbers, select(numbers, "all", pairs, triplets, 0, "v")))
    assert set(select(numbers, "all", pairs, triplets, 0, "v").frames) <= seen
    for first, others in near.items():
        start, end = numbers.index(min(first, *others)), numbers.index(max(first, *others))
        assert seen.issuperset(numbers[max(0, start - 3) : end + 4])


def test_a_film_keeps_no_pair_across_a_cut_and_tells_what_it_lacks(made: tuple[Film, Path], tmp_path: Path):
    truth, path = made
    write_catalog(tmp_path / "catalog.parquet", [Video("film", "videos", str(path))])
    write_plan(tmp_path / "plan.json", [["film"]])
    options = FramesOptions(shorter_side=64, filters=list(FILTERS))
    records = [
        run_stage(STAGE, {"source": tmp_path / "plan.json"}, tmp_path / name / "000000.tar", options, 1)
        for name in "ab"
    ]
    assert records[0] == records[1] == Record.read(tmp_path / "a/000000.json")
    assert records[0].sha256 == records[1].sha256
    record = records[0]
    dropped = {reason: [int(key[-6:]) for key in keys] for reason, keys in record.dropped.items()}
    assert list(record.options)[-1] == "filters"
    assert dropped[DARK][1:-1] == list(truth.black)  # the last of a fade are dark, too
    assert dropped[PLAIN] == [45]
    assert dropped[DUPLICATE] == list(truth.frozen)
    assert dropped[CUT] == [29, 109, 169]  # of the other cuts one follows black frames, and one the slide, dropped
    with Shard(tmp_path / "a/000000.tar") as shard:
        pairs = {shard[key]["json"]["frame"]: shard[key]["json"]["next"] for key in shard}
    assert not [pair for pair in pairs.items() if pair[1] and any(pair[0] < cut <= pair[1] for cut in truth.cuts)]
    assert pairs[44] == 46  # over the flash, which is no cut
    assert pairs[62] == 63  # in the fade
    assert all(pairs[number] == number + 1 for number in range(truth.still.stop, len(truth.pictures) - 1))  # the pan
    assert record.samples + sum(map(len, record.dropped.values())) - len(dropped[CUT]) == len(truth.pictures)
    assert not record.failures


def test_the_filters_that_are_asked_for_are_those_that_act(made: tuple[Film, Path]):
    path = made[1]
    every = {"select": {"every": 5}, "shorter_side": 32}

    def outcomes(**options: Any) -> list[Any]:
        return list(STAGE.run(iter([("v", {"video": Video("v", "videos", str(path))})]), FramesOptions(**options)))

    plain = outcomes(**every)
    assert all(isinstance(outcome, tuple) for outcome in plain)
    reasons = {
        name: {one.reason for one in outcomes(**every, filters=[name]) if not isinstance(one, tuple)}
        for name in FILTERS
    }
    assert reasons == {"cuts": {CUT}, "black": {DARK, PLAIN}, "duplicates": {DUPLICATE}}
    far = outcomes(select={"list": [*range(25, 35)]}, pairs={"offset": 6}, shorter_side=32, filters=["cuts"])
    pairs = {key: sample["json"]["next"] for key, sample in (one for one in far if isinstance(one, tuple))}
    assert [one.key for one in far if not isinstance(one, tuple)] == [f"v-{n:06d}" for n in range(25, 30)]
    assert [next for next in pairs.values() if next] == [36, 37, 38, 39, 40]


def test_a_video_that_ends_early_keeps_what_it_gave(made: tuple[Film, Path], monkeypatch: pytest.MonkeyPatch):
    pictures = made[0].pictures

    def read(video: Video, wanted: Any) -> Any:
        for number in wanted:
            if number == 40:
                raise SampleError("the disk went")
            yield Unreadable(7, "torn") if number == 7 else Frame(number, None, pictures[number])

    source = SOURCES["videos"]
    broken = type(source)("b", object, source.videos, lambda video: range(60), read, None, "all")
    monkeypatch.setitem(SOURCES, "b", broken)
    run = STAGE.run(iter([("v", {"video": Video("v", "b", "")})]), FramesOptions(shorter_side=32, filters=["cuts"]))
    told = [(one.key, one.reason) for one in run if not isinstance(one, tuple)]
    assert told == [
        ("v-000029", CUT),
        ("v-000007", "torn; a pair that another frame starts is lost with it"),
        ("v", "the disk went; the rest of the video is lost with it"),
    ]


@pytest.mark.parametrize("lasts", [1, 2])
def test_a_flash_is_no_cut_and_neither_are_fades_titles_or_motion(made: tuple[Film, Path], lasts: int):
    still = made[0].pictures[:LASTS]
    flash = [*still[:12], *[np.full_like(still[0], 255)] * lasts, *still[12:]]
    assert cuts_of(flash) == []
    faded = [np.rint(picture * max(0.0, 1 - n / 12)).astype(np.uint8) for n, picture in enumerate(still)]
    assert cuts_of(faded) == []
    titled = still[0].copy()
    titled[-28:] = 255 - 255 * (titled[-28:] > 127)
    assert cuts_of([still[0]] * 10 + [titled] * 10) == []
    wide = np.concatenate([still[0], cv2.flip(still[0], 1)] * 2, axis=1)
    assert cuts_of([wide[:, 40 * n : 40 * n + 256] for n in range(18)]) == []  # a sixth of the width a frame


def test_three_black_frames_end_a_scene_and_two_do_not(made: tuple[Film, Path]):
    scene = made[0].pictures[:12]
    black = np.zeros_like(scene[0])
    assert cuts_of([*scene, black, black, *scene]) == []
    assert cuts_of([*scene, black, black, black, *scene])[-1:] == [15]


def test_what_coding_does_to_a_still_picture_is_no_motion(made: tuple[Film, Path], tmp_path: Path):
    noisy = np.random.default_rng(0)
    still = made[0].pictures[0]
    grain = [np.clip(still + noisy.normal(0, 3, still.shape), 0, 255).astype(np.uint8) for _ in range(15)]
    video = Video("v", "videos", str(write_film(tmp_path / "a.mp4", grain)))
    frames = list(SOURCES["videos"].read(video, range(15)))
    small = [thumbnail(frame.image) for frame in frames if isinstance(frame, Frame)]
    assert len(small) == 15
    assert all(is_same(small[0], other) for other in small)


def test_real_clips_put_end_to_end_are_parted_there_and_nowhere_else(shared_data: Path, tmp_path: Path):
    names = ("carphone_pristine.mp4", "flipping_a_pancake.mkv", "realshort.mp4", "bigbuckbunny.mp4")
    pictures, starts = [], [0]
    for name in names:
        video = Video("v", "videos", str(shared_data / "video" / name))
        frames = [one.image for one in SOURCES["videos"].read(video, range(30)) if isinstance(one, Frame)]
        assert cuts_of(frames) == []
        pictures += [cv2.resize(image, (256, 144), interpolation=cv2.INTER_AREA) for image in frames]
        starts.append(len(pictures))
    video = Video("v", "videos", str(write_film(tmp_path / "a.mp4", pictures)))
    found = cuts_of([one.image for one in SOURCES["videos"].read(video, range(starts[-1])) if isinstance(one, Frame)])
    assert len(found) == len(names) - 1
    assert all(abs(cut - start) <= 1 for cut, start in zip(found, starts[1:], strict=False))
    assert all(one < other for one, other in pairwise(found))


def test_the_command_says_and_draws_what_is_removed(made: tuple[Film, Path], tmp_path: Path):
    picture = tmp_path / "a.png"
    told = CliRunner().invoke(app, ["filters", str(made[1]), "--to", str(picture)])
    assert told.exit_code == 0, told.output
    assert told.output.splitlines()[-1].split() == ["film.mp4", *map(str, (200, 5, 40, 3, 1, 5, 27, 3, 8))]
    assert cv2.imread(str(picture)).shape[1] == 1200


def test_a_video_that_fails_costs_the_command_no_other(made: tuple[Film, Path], tmp_path: Path):
    (tmp_path / "empty.mp4").touch()
    videos = [str(tmp_path / "no.mp4"), str(tmp_path / "empty.mp4"), str(made[1])]
    told = CliRunner().invoke(app, ["filters", *videos])
    assert [line.split()[0][:8] for line in told.stdout.splitlines()] == ["video", "--------", "film.mp4"]
    assert f"{videos[0]}: cannot be read: No such file" in told.stderr
    assert f"{videos[1]}: the file is empty" in told.stderr
    assert str(told.exception) == "2 of 3 videos failed"
