"""Runs of frames against the keys that they stand for."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common_fate.shards.keys import frame_key
from common_fate.shards.runs import Keys, Listed, Run, compacted, count, keys_of

FRAMES = st.sets(st.integers(0, 60), max_size=40).map(sorted)
ROWS = st.fixed_dictionaries(dict.fromkeys(product(("torn", "dark"), ("ape", "bee")), FRAMES))


@settings(deadline=None)
@given(FRAMES, st.integers(0, 40))
def test_runs_stand_for_the_keys_and_no_others(frames: list[int], most: int):
    keys = [frame_key("ape", frame) for frame in frames]
    listed = Listed[str](most)
    for key in keys:
        listed.add("torn", key)
    texts = [text for _, text in listed.rows()]
    assert [key for text in texts for key in keys_of(text)] == keys
    assert listed.count == count(texts) == len(keys)
    assert (texts == keys) or len(keys) > most
    known = Keys(texts)
    assert [frame for frame in range(62) if frame_key("ape", frame) in known] == frames
    assert not {"ape", "bee-000001"} & {key for key in ("ape", "bee-000001") if key in known}


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_reasons_and_videos_that_alternate_do_not_break_runs(rows: dict[tuple[str, str], list[int]], draw):
    said = [(reason, frame_key(video, frame)) for (reason, video), frames in rows.items() for frame in frames]
    said.sort(key=lambda row: row[1][-6:])  # as they come, by frame
    packed = compacted(said)
    assert Counter((reason, key) for reason, text in packed for key in keys_of(text)) == Counter(said)
    assert sorted(packed) == sorted(compacted(sorted(said)))
    assert compacted(packed) == packed


def test_a_run_is_told_by_its_ends_and_its_step():
    frames = [(video, frame) for video in ("ape", "bee") for frame in range(0, 50, 5)]
    rows = [("dark", frame_key(*frame)) for frame in frames] + [("torn", "cat"), ("dark", "bee-000099")]
    assert compacted(rows) == [
        ("dark", "ape-000000..000045:5"),
        ("dark", "bee-000000..000045:5"),
        ("torn", "cat"),
        ("dark", "bee-000099"),
    ]
    assert str(Run("ape", 3, 4)) == "ape-000003..000004"


@pytest.mark.parametrize(
    "text",
    [
        *("ape-000005..000001", "ape-000001..000001", "ape-000001..000004:2", "ape-000001..000004:0", "ape..bee"),
        *("ape-000001..", "ape-1..2", "../ape-000001..000004", "ape-000001..000004:", "ape-000001..000004:-1", ""),
        "ape-000001..000004\n",
    ],
)
def test_what_is_no_run_is_refused(text: str):
    with pytest.raises(ValueError, match="is no "):
        Run.of(text)
