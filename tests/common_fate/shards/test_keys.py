import pytest

from common_fate.shards.keys import MAX_FRAME, check_keys, frame_key, frame_of, video_of


@pytest.mark.parametrize(("video", "frame"), [("a", 0), ("birds__tern", 999_999), ("v", MAX_FRAME)])
def test_a_key_says_its_video_and_its_frame(video: str, frame: int):
    key = frame_key(video, frame)
    check_keys([key])
    assert (video_of(key), frame_of(key)) == (video, frame)


def test_the_key_of_a_whole_video_has_no_frame():
    check_keys(["tern"])
    assert (video_of("tern"), frame_of("tern")) == ("tern", None)


@pytest.mark.parametrize("key", ["", "a-1", "../a-000001", "a.b-000001", "a-000001-000001", "a-0000001234567", "a\n"])
def test_what_is_no_key_is_refused(key: str):
    with pytest.raises(ValueError, match="is no key of a sample"):
        check_keys([key])
