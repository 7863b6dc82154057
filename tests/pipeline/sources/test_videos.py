from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, UserError
from pipeline.sources.source import Frame, Unreadable
from pipeline.sources.videos import SOURCE
from tests.support.clips import MARK, number_in, picture, write_clip, write_sound

B_FRAMES = {"bf": "3", "b-pyramid": "normal", "g": "12"}
SHUFFLED = {"bf": "3", "b_strategy": "0", "g": "12"}


def video(path: Path) -> Video:
    return Video("clip", "videos", str(path))


def read(path: Path, wanted: Sequence[int] | None = None) -> list[Frame | Unreadable]:
    numbers = SOURCE.numbers(video(path))
    return list(SOURCE.read(video(path), numbers if wanted is None else wanted))


def good(outcomes: list[Frame | Unreadable]) -> list[Frame]:
    return [one for one in outcomes if isinstance(one, Frame)]


def lost(outcomes: list[Frame | Unreadable]) -> dict[int, str]:
    return {one.number: one.reason for one in outcomes if isinstance(one, Unreadable)}


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Where each packet begins in the file, and its size."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", options=B_FRAMES)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", B_FRAMES),
        ("a.mkv", "libx264", B_FRAMES),
        ("a.ts", "libx264", B_FRAMES),
        ("a.avi", "libx264", B_FRAMES),  # AVI counts packets: its timestamps are in the wrong order
        ("a.h264", "libx264", B_FRAMES),  # no timestamps at all
        ("b.avi", "mpeg4", SHUFFLED),
        ("b.mp4", "mpeg4", {}),
        ("c.ts", "mpeg2video", SHUFFLED),
        ("d.webm", "libvpx-vp9", {}),
        ("e.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16"}),
        ("f.mjpeg", "mjpeg", {}),
    ],
)
def test_frames_come_whole_and_in_order_of_presentation(tmp_path: Path, name: str, codec: str, options: dict[str, str]):
    outcomes = read(write_clip(tmp_path / name, codec=codec, options=options))
    assert [frame.number for frame in outcomes] == list(range(24))
    assert [number_in(frame.image) for frame in good(outcomes)] == list(range(24))


def test_frames_are_rgb(clip: Path):
    assert np.abs(read(clip, [7])[0].image.astype(int) - picture(7)).mean() < 6


def test_seconds_count_from_the_first_frame(clip: Path, tmp_path: Path):
    assert [frame.seconds for frame in read(clip, [0, 1, 20])] == [0, 0.04, 0.8]
    stream = write_clip(tmp_path / "late.ts", codec="mpeg2video")  # MPEG-TS begins at another time than 0
    assert [frame.seconds for frame in read(stream, [0, 10])] == [0, 0.4]


@pytest.mark.parametrize("wanted", [[0], [23], [3, 4, 5], [1, 8, 22], list(range(0, 24, 5)), []])
def test_a_frame_is_the_same_whatever_else_is_read(clip: Path, wanted: list[int]):
    every = read(clip)
    outcomes = read(clip, wanted)
    assert [frame.number for frame in outcomes] == wanted
    for frame in outcomes:
        np.testing.assert_array_equal(frame.image, every[frame.number].image)


def test_a_frame_beyond_the_end_is_unreadable(clip: Path):
    assert lost(read(clip, [23, 24, 900])) == {24: "no such frame", 900: "no such frame"}


@pytest.mark.parametrize("space", [(1, 1), (5, 1), (2, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("size", [(64, 48), (66, 50)])
def test_colours_are_those_of_the_standard(tmp_path: Path, space: tuple[int, int], size: tuple[int, int]):
    """Against the equations of BT.601 and BT.709, in limited and full range."""
    matrix, value_range = space
    y, u, v = 90, 140, 170
    path = tmp_path / "flat.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, value_range
        planes = np.full((size[1] * 3 // 2, size[0]), y, np.uint8)
        planes.reshape(-1)[size[0] * size[1] :] = np.repeat([u, v], size[0] * size[1] // 4)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.colorspace, frame.color_range = matrix, value_range
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    limited = value_range == 1
    luma, chroma = ((y - 16) / 219, 224) if limited else (y / 255, 255)
    blue, red = (u - 128) / chroma, (v - 128) / chroma
    kr, kb = (0.2126, 0.0722) if matrix == 1 else (0.299, 0.114)
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    expected = 255 * np.array([r, g, b])
    np.testing.assert_allclose(read(path)[0].image.reshape(-1, 3).mean(axis=0), expected, atol=1.2)


def test_an_empty_file_is_refused(tmp_path: Path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(SampleError, match=r"^the file is empty$"):
        read(tmp_path / "a.mp4")


def test_a_file_that_is_gone_is_refused(tmp_path: Path):
    with pytest.raises(SampleError, match=r"^cannot be read: No such file"):
        read(tmp_path / "a.mp4")


@pytest.mark.parametrize("content", [b"no video\n" * 200, bytes(5000)])
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(SampleError) as error:
        read(tmp_path / "a.mp4")
    assert str(tmp_path) not in str(error.value)


def test_a_playlist_in_disguise_opens_nothing(tmp_path: Path, clip: Path):
    (tmp_path / "a.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/{clip.name}\n#EXT-X-ENDLIST\n")
    with pytest.raises(SampleError):
        read(tmp_path / "a.mp4")


def test_sound_alone_is_refused(tmp_path: Path):
    write_sound(tmp_path / "a.mp4")
    with pytest.raises(SampleError, match=r"^no video stream in the file$"):
        read(tmp_path / "a.mp4")


def test_a_file_without_frames_is_refused(tmp_path: Path):
    write_clip(tmp_path / "a.mkv", frames=0)
    with pytest.raises(SampleError):
        read(tmp_path / "a.mkv")


def test_one_frame_is_a_video(tmp_path: Path):
    assert [number_in(frame.image) for frame in good(read(write_clip(tmp_path / "a.mp4", frames=1)))] == [0]


def test_a_file_without_its_index_is_refused_without_its_path(tmp_path: Path):
    with pytest.raises(SampleError, match=r"FFmpeg cannot open it .* cut short, damaged, or not a video") as error:
        read(cut(write_clip(tmp_path / "a.mp4"), 0.6))
    assert "a.mp4" not in str(error.value)


def test_a_file_cut_behind_its_index_gives_what_it_has_and_names_the_rest(tmp_path: Path):
    path = write_clip(tmp_path / "a.mp4", options=B_FRAMES, container_options={"movflags": "faststart"})
    outcomes = read(cut(path, 0.8))
    assert [one.number for one in outcomes] == list(range(24))
    assert len(good(outcomes)) > 5
    assert all(number_in(frame.image) == frame.number for frame in good(outcomes))
    assert lost(outcomes)[23] == "the file ends before this frame"


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.h264"])
def test_a_stream_that_ends_early_gives_what_it_has(tmp_path: Path, name: str):
    outcomes = good(read(cut(write_clip(tmp_path / name, options=B_FRAMES), 0.7)))
    assert len(outcomes) > 5
    assert all(number_in(frame.image) == frame.number for frame in outcomes[:5])


@pytest.mark.parametrize("hit", [12, 13, 15, 20])
def test_damage_loses_frames_up_to_the_next_key_frame_and_shows_no_wrong_one(tmp_path: Path, hit: int):
    """FFmpeg conceals damage: without care, frames predicted from a guess would pass for frames."""
    path = write_clip(tmp_path / "a.mp4", frames=48, options={"bf": "2", "g": "12", "x264-params": "b-adapt=0:cabac=0"})
    whole = read(path)
    position, size = packets_of(path)[hit]
    data = bytearray(path.read_bytes())
    data[position + size // 2 : position + size] = bytes(size - size // 2)
    path.write_bytes(data)
    outcomes = read(path)
    assert {24, *range(36, 48)} <= {frame.number for frame in good(outcomes)}
    assert set(lost(outcomes)) >= {22, 23}
    assert all("damaged" in reason for reason in lost(outcomes).values())
    for frame in good(outcomes):
        assert np.abs(frame.image.astype(int) - whole[frame.number].image).mean() < 1


def test_a_container_that_lies_about_every_packet_gives_no_frame(tmp_path: Path):
    path = write_clip(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    for position, size in packets_of(path):
        data[position : position + size] = bytes(size)
    path.write_bytes(data)
    assert not good(read(path))
    assert len(lost(read(path))) == 24


@pytest.mark.parametrize(("name", "codec"), [("mjpeg", "mjpeg"), ("ts", "mpeg2video"), ("h264", "libx264")])
def test_frames_that_change_size_midway_are_unreadable(tmp_path: Path, name: str, codec: str):
    first = write_clip(tmp_path / f"1.{name}", 6, codec, (64, 48)).read_bytes()
    second = write_clip(tmp_path / f"2.{name}", 4, codec, (32, 32)).read_bytes()
    (tmp_path / f"a.{name}").write_bytes(first + second)
    outcomes = read(tmp_path / f"a.{name}")
    assert {frame.image.shape for frame in good(outcomes)} == {(48, 64, 3)}
    changed = [reason for reason in lost(outcomes).values() if "size changed" in reason]
    assert changed
    assert set(changed) == {"size changed from 64x48 to 32x32"}


def test_a_picture_too_large_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch, clip: Path):
    monkeypatch.setattr("pipeline.sources.reading.MAX_PIXELS", 1000)
    with pytest.raises(SampleError, match=r"^128x96 pixels; at most 1000 are decoded$"):
        SOURCE.numbers(video(clip.rename(clip.with_name("large.mp4"))))
    clip.with_name("large.mp4").rename(clip)


def test_a_rewritten_file_is_read_anew(tmp_path: Path):
    assert len(read(write_clip(tmp_path / "a.mp4", frames=5))) == 5
    assert len(read(write_clip(tmp_path / "a.mp4", frames=9))) == 9


def test_ffmpeg_says_nothing_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    read(cut(write_clip(tmp_path / "a.ts", codec="mpeg2video"), 0.7))
    capfd.readouterr()
    read(tmp_path / "a.ts")
    assert capfd.readouterr() == ("", "")


def test_videos_are_listed_with_size_and_kind(tmp_path: Path):
    write_clip(tmp_path / "a.mp4", frames=2)
    [listed] = SOURCE.videos(
        SOURCE.options(path=f"{tmp_path}/*.mp4", license="CC BY"), "config.yaml: datasets.x.source"
    )
    size = (tmp_path / "a.mp4").stat().st_size
    assert listed == Video("a", "videos", str(tmp_path / "a.mp4"), "CC BY", size)
    with pytest.raises(UserError, match=r"config\.yaml: datasets\.x\.source\.path '.*avi' matches no file"):
        SOURCE.videos(SOURCE.options(path=f"{tmp_path}/*.avi"), "config.yaml: datasets.x.source")


@pytest.mark.parametrize(
    ("name", "frames"), [("bikes.mp4", 250), ("carphone_pristine.mp4", 120), ("realshort.mp4", 36)]
)
def test_real_clips_decode_whole(shared_data: Path, name: str, frames: int):
    wanted = range(0, frames, 7)
    outcomes = read(shared_data / "video" / name, wanted)
    with av.open(str(shared_data / "video" / name)) as container:
        expected = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(expected) == frames == len(SOURCE.numbers(video(shared_data / "video" / name)))
    for frame, grey in zip(good(outcomes), [expected[number] for number in wanted], strict=True):
        assert np.corrcoef(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY).ravel(), grey.ravel())[0, 1] > 0.995


def test_real_timestamps_out_of_order_are_sorted(shared_data: Path):
    outcomes = good(read(shared_data / "video" / "broken" / "unordered.mov"))
    assert [frame.number for frame in outcomes] == [0, 1, 2, 3]
    assert [frame.seconds for frame in outcomes] == sorted(frame.seconds for frame in outcomes)


MPEG_TS = [("ts", "libx264", B_FRAMES), ("ts", "libx265", {"x265-params": "log-level=none"})]
JOINED = [*MPEG_TS, ("ts", "mpeg2video", SHUFFLED), ("mpg", "mpeg2video", SHUFFLED), ("h264", "libx264", B_FRAMES)]


def recordings(folder: Path, ending: str, codec: str, options: dict[str, str], clocks: list[int]) -> Path:
    """Two recordings one after the other, of pictures 0 to 23 and 100 to 119, whose clocks start at these seconds."""
    path = folder / f"joined.{ending}"
    with path.open("wb") as joined:
        for first, frames, clock in zip((0, 100), (24, 20), clocks, strict=True):

            def draw(number: int, width: int, height: int, first: int = first) -> np.ndarray:
                return picture(first + number, width, height)

            clip = folder / f"{first}.{ending}"
            write_clip(
                clip, frames, codec, options=options, draw=draw, container_options={"output_ts_offset": f"{clock}"}
            )
            joined.write(clip.read_bytes())
    return path


@pytest.mark.parametrize(("ending", "codec", "options"), JOINED)
def test_joined_recordings_come_one_after_the_other(tmp_path: Path, ending: str, codec: str, options: dict[str, str]):
    outcomes = read(recordings(tmp_path, ending, codec, options, [0, 0]))
    assert lost(outcomes) == {}
    assert [number_in(frame.image) for frame in good(outcomes)] == [*range(24), *range(100, 120)]
    if ending != "h264":  # which has no clock
        np.testing.assert_allclose([frame.seconds for frame in good(outcomes)], np.arange(44) / 25, atol=1e-4)


@pytest.mark.parametrize(("clocks", "second"), [([50, 0], 24), ([0, 1], 24), ([0, 50], 1248), ([90_000, 3], 24)])
def test_the_clock_of_a_recording_may_jump_and_time_goes_on(tmp_path: Path, clocks: list[int], second: int):
    """Backwards, into the first recording, forwards by what can be a pause, and over where 33 bits end."""
    outcomes = read(recordings(tmp_path, "ts", "libx264", B_FRAMES, clocks))
    assert [number_in(frame.image) for frame in good(outcomes)] == [*range(24), *range(100, 120)]
    expected = np.concatenate([np.arange(24), second + np.arange(20)]) / 25
    np.testing.assert_allclose([frame.seconds for frame in good(outcomes)], expected, atol=1e-4)


def test_what_a_recording_lacks_at_its_end_shows_no_wrong_frame(tmp_path: Path):
    path = recordings(tmp_path, "ts", "libx264", B_FRAMES, [0, 0])
    first, second = (tmp_path / "0.ts").read_bytes(), (tmp_path / "100.ts").read_bytes()
    path.write_bytes(first[: len(first) * 2 // 3 // 188 * 188] + second)
    shown = [number_in(frame.image) for frame in good(read(path))]
    assert shown == sorted(shown)
    assert shown[-20:] == list(range(100, 120))
    assert len(shown) > 25


def test_the_fields_of_a_picture_are_one_frame(shared_data: Path):
    """Each field is a packet of its own in MPEG-TS, as in what a camera of AVCHD writes."""
    path = shared_data / "faults" / "video" / "paff_ts.ts"
    if not path.is_file():
        pytest.skip("no such video here")
    outcomes = read(path)
    with av.open(str(path)) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame.number for frame in outcomes] == list(range(12))
    assert lost(outcomes) == {}
    for frame, image in zip(good(outcomes), expected, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 2
    assert [frame.seconds for frame in good(outcomes)] == [round(0.08 * n, 6) for n in range(12)]
    np.testing.assert_array_equal(read(path, [5])[0].image, outcomes[5].image)


def write_streams(path: Path, *streams: tuple[int, tuple[int, int], int]) -> Path:
    """Write streams of video: the frames of each, its size, and its disposition."""
    with av.open(str(path), "w") as container:
        made = []
        for number, (frames, size, disposition) in enumerate(streams):
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.disposition = disposition
            made.append((number, stream, frames, size))
        for number, stream, frames, size in made:
            for _ in range(frames):
                image = np.full((size[1], size[0], 3), 40 * (number % 6), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    return path


DEFAULT = 1


@pytest.mark.parametrize(
    ("streams", "chosen"),
    [
        ([(5, (64, 48), 0), (9, (128, 96), DEFAULT)], 1),  # a preview comes first
        ([(9, (64, 48), DEFAULT), (9, (128, 96), 0)], 0),
        ([(9, (64, 48), 0), (9, (128, 96), 0), (9, (96, 64), 0)], 1),
        ([(9, (64, 48), DEFAULT), (9, (96, 64), DEFAULT)], 1),
        ([(1, (128, 96), DEFAULT), (9, (64, 48), 0)], 1),  # a cover that is not marked as one
        ([(9, (64, 48), 0), (9, (64, 48), 0)], 0),
    ],
)
def test_the_stream_is_the_one_that_ffmpeg_shows(
    tmp_path: Path, streams: list[tuple[int, tuple[int, int], int]], chosen: int
):
    outcomes = read(write_streams(tmp_path / "a.mkv", *streams))
    frames, size, _ = streams[chosen]
    assert len(outcomes) == frames
    assert {frame.image.shape for frame in good(outcomes)} == {(size[1], size[0], 3)}
    assert np.abs(outcomes[0].image.astype(int) - 40 * chosen).mean() < 3


def test_previews_and_covers_are_no_video(shared_data: Path):
    folder = shared_data / "faults" / "video"
    if not folder.is_dir():
        pytest.skip("no such videos here")
    for name, shape in (("preview_first.mkv", (240, 320, 3)), ("cover_first_untagged.mkv", (96, 128, 3))):
        outcomes = read(folder / name)
        assert [frame.image.shape for frame in good(outcomes)] == [shape] * 25


def test_many_streams_are_refused_before_any_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SampleError, match=r"^more than 64 streams of video$"):
        read(write_streams(tmp_path / "a.mp4", *[(1, (32, 32), 0)] * 65))
    monkeypatch.setattr("pipeline.sources.demuxing._MOST_PIXELS", 5000)
    assert len(read(write_streams(tmp_path / "b.mp4", (2, (64, 48), 0), (2, (32, 48), 0)))) == 2
    with pytest.raises(SampleError, match=r"^its streams of video have more than 5000 pixels together$"):
        read(write_streams(tmp_path / "c.mp4", (2, (64, 48), 0), (2, (64, 48), 0)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("film.nfo", b"A film by somebody\r\n" * 40),
        ("film.txt", b"\x1b[31mA film by somebody\r\n" * 40),
        ("film.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 9),
        ("film.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nclip.ts\n#EXT-X-ENDLIST\n"),
        ("film.ffconcat", b"ffconcat version 1.0\nfile clip.ts\n"),
        ("film.mp4", b"ffconcat version 1.0\nfile clip.ts\n"),
        ("film.sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
        ("x%03d.png", b"\x89PNG\r\n\x1a\n"),
        ("x*.png", b"\x89PNG\r\n\x1a\n"),
        ("poster.jpg", None),
    ],
)
def test_what_is_no_video_gives_no_frame(tmp_path: Path, name: str, content: bytes | None):
    write_clip(tmp_path / "clip.ts", codec="mpeg2video")
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"x{number:03d}.png"), picture(number))
    if content is None:
        cv2.imwrite(str(tmp_path / name), picture(0))
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SampleError, match="not a video"):
        read(tmp_path / name)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_pictures_are_turned_and_mirrored_as_the_file_says(tmp_path: Path, turns: int, mirrored: bool):
    """The matrix of FFmpeg's libavutil/display.h: x becomes ax + cy, y becomes bx + dy, of a picture mirrored first."""
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[turns]
    flip = -1 if mirrored else 1
    a, b, c, d = (65536 * value for value in (flip * cosine, flip * sine, -sine, cosine))
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "4"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(37), format="rgb24")))
        container.mux(stream.encode(None))
    stored = picture(37)[:, ::-1] if mirrored else picture(37)
    expected = np.rot90(stored, -turns)  # to x to the right and y down, positive angles turn clockwise
    [frame] = good(read(path))
    assert np.abs(frame.image.astype(int) - expected).mean() < 6


@pytest.mark.parametrize(("turns", "shown"), [(0, (96, 171)), (1, (171, 96))])
def test_frames_say_how_they_are_shown_where_pixels_are_not_square(tmp_path: Path, turns: int, shown: tuple[int, int]):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        if turns:
            stream.set_display_rotation(90)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(3), format="rgb24")))
        container.mux(stream.encode(None))
    [frame] = good(read(path))
    assert frame.shown == shown
    assert frame.image.shape == ((128, 96, 3) if turns else (96, 128, 3))


def test_square_pixels_are_shown_as_they_are(clip: Path):
    assert good(read(clip, [0]))[0].shown is None


def grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image[MARK:], cv2.COLOR_RGB2GRAY).astype(int)


def test_interlaced_frames_are_made_of_one_field_where_that_is_asked_for(tmp_path: Path, clip: Path):
    def woven(number: int, width: int, height: int) -> np.ndarray:
        """Two moments, 8 pixels apart, in the odd and the even rows."""
        first, second = picture(number, width, height), np.roll(picture(number, width, height), 8, axis=1)
        first[1::2] = second[1::2]
        return first

    path = write_clip(tmp_path / "a.ts", 6, "mpeg2video", options={"flags": "+ilme+ildct", "b": "8M"}, draw=woven)
    whole = video(path)
    combed, made = good(read(path)), good(list(SOURCE.deinterlaced(whole, SOURCE.numbers(whole))))
    for number, (kept, one) in enumerate(zip(combed, made, strict=True)):
        moments = [grey(np.roll(picture(number), by, axis=1)) for by in (0, 8)]
        first, second = (np.abs(grey(kept.image) - moment).mean() for moment in moments)
        assert 0.8 < first / second < 1.25
        errors = sorted(np.abs(grey(one.image) - moment).mean() for moment in moments)
        assert errors[0] < 0.5 * min(first, second)
        assert errors[0] < 0.3 * errors[1]
        np.testing.assert_array_equal(good(list(SOURCE.deinterlaced(whole, [number])))[0].image, one.image)
    progressive = video(clip)
    for kept, one in zip(read(clip), SOURCE.deinterlaced(progressive, SOURCE.numbers(progressive)), strict=True):
        np.testing.assert_array_equal(kept.image, one.image)


def test_real_rotation_tags_bring_every_frame_upright(shared_data: Path):
    """The four clips show one scene, tagged 0, 90, 180 and 270 degrees."""
    frames = {
        turn: read(shared_data / "video" / "broken" / f"video_{turn}.mov", [0])[0].image for turn in (0, 90, 180, 270)
    }
    assert {turn: image.shape[:2] for turn, image in frames.items()} == {
        0: (320, 568),
        90: (568, 320),
        180: (320, 568),
        270: (568, 320),
    }
    with av.open(str(shared_data / "video" / "broken" / "video_90.mov")) as container:
        stored = next(container.decode(video=0))
        assert stored.rotation == -90  # counterclockwise: the stored picture is to be turned clockwise
        clockwise = cv2.rotate(stored.to_ndarray(format="rgb24"), cv2.ROTATE_90_CLOCKWISE)
    assert np.abs(frames[90].astype(int) - clockwise).mean() < 5


def test_a_real_corrupted_file_gives_the_frames_before_the_damage(shared_data: Path):
    outcomes = read(shared_data / "video" / "broken" / "corrupted.mp4")
    assert len(outcomes) == 50
    assert 20 <= len(good(outcomes)) < 50
    assert all("damaged" in reason for reason in lost(outcomes).values())
