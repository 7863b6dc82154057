from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, UserError
from common_fate.foreign.flow_files import write_flo, write_kitti_png
from pipeline.sources.folders import SOURCE
from pipeline.sources.source import Frame, Unreadable

WHERE = "config.yaml: datasets.x.source"
HEIGHT, WIDTH = 6, 8


def save(path: Path, level: int = 0, height: int = HEIGHT, width: int = WIDTH) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), level, np.uint8)).save(path)


def save_mask(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def listed(path: Path, pattern: str = "*", flow: Path | None = None) -> list[Video]:
    options = SOURCE.options(path=f"{path}/{pattern}", flow=None if flow is None else str(flow))
    return SOURCE.videos(options, WHERE)


def flow_field() -> np.ndarray:
    return np.random.default_rng(0).integers(-300, 300, (2, HEIGHT, WIDTH)).astype(np.float32) / 64


def test_each_folder_is_a_video(tmp_path: Path):
    for name in ("bear", "car-1", "v1.5"):
        save(tmp_path / "480p" / name / "00000.jpg")
    (tmp_path / "480p" / "readme.txt").touch()
    videos = listed(tmp_path / "480p")
    assert len({video.video for video in videos}) == 3
    assert videos[0].video == "bear"
    assert videos[0].bytes == (tmp_path / "480p" / "bear" / "00000.jpg").stat().st_size


def test_images_that_are_not_read_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for name in ("a/0.jpg", "a/1.jpg", "b/0.png", "b/1.tif"):
        save(tmp_path / name)
    for name in ("a/2.gif", "b/1.TGA"):
        (tmp_path / name).touch()
    assert [list(SOURCE.numbers(video)) for video in listed(tmp_path)] == [[0, 1], [0, 1]]
    left = f"left out, since such images are not read: {tmp_path}/a/2.gif and 1 more"
    assert caplog.messages == [f"{WHERE}.path: {left}"]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["00000.jpg", "00001.jpg", "00010.jpg"], [0, 1, 10]),
        (["frame_0002.png", "frame_0010.png", "frame_0001.png"], [1, 2, 10]),
        (["frame9.png", "frame10.png"], [9, 10]),
        (["a.png", "b.png"], [0, 1]),  # no numbers
        (["a1.png", "b1.png"], [0, 1]),  # one number twice
        (["1.png", "2b.png"], [0, 1]),  # not every stem ends in one
        (["1600000000.png", "1600000033.png"], [0, 1]),  # more digits than a key has
        (["shot1.0001.png", "shot1.0002.png"], [1, 2]),  # a point that parts words
        (["a-0001.png", "a-0007.png"], [1, 7]),  # a dash that does
    ],
)
def test_frames_are_numbered_by_their_names_where_they_can_be(tmp_path: Path, names: list[str], numbers: list[int]):
    for level, name in enumerate(names):
        save(tmp_path / "v" / name, level)
    [video] = listed(tmp_path)
    assert list(SOURCE.numbers(video)) == numbers


def test_frames_without_numbers_come_in_natural_order(tmp_path: Path):
    for level, name in ((1, "shot2b.png"), (2, "shot10b.png"), (3, "shot10c.png")):
        save(tmp_path / "v" / name, level)
    [video] = listed(tmp_path)
    assert [frame.image[0, 0, 0] for frame in SOURCE.read(video, [0, 1, 2])] == [1, 2, 3]


TIMES = [
    ["0.9", "0.933", "0.967", "1.0", "1.033", "10.5"],
    ["frame_0.967", "frame_1.001", "frame_1.034", "frame_2.002", "frame_10.010"],
    ["1305031102.933300", "1305031102.975304", "1305031103.011205"],
    ["1305031102.933300", "1305031102.975304"],
    ["0.0", "0.04", "0.08", "0.12", "0.2", "0.24"],
    ["t-0.50", "t-0.25", "t0.25", "t1.00"],
    ["-0012", "-0002", "-0001", "0000", "0001", "0010"],
    ["00-00-59-967", "00-01-00-000", "00-01-00-033"],
    ["cam_00:59:59.967", "cam_01:00:00.000"],
]


@pytest.mark.parametrize("stems", TIMES)
def test_frames_named_by_time_come_in_the_order_of_the_times(tmp_path: Path, stems: list[str]):
    """By value, sign and decimals included; they are numbered one by one, so that neighbours form pairs."""
    for level in np.random.default_rng(0).permutation(len(stems)).tolist():
        save(tmp_path / "v" / f"{stems[level]}.png", level)
    [video] = listed(tmp_path)
    assert list(SOURCE.numbers(video)) == list(range(len(stems)))
    assert [frame.image[0, 0, 0] for frame in SOURCE.read(video, range(len(stems)))] == list(range(len(stems)))


def test_two_images_of_one_frame_are_refused(tmp_path: Path):
    for name in ("0001.png", "0001.bmp", "0002.png"):
        save(tmp_path / "v" / name)
    [video] = listed(tmp_path)
    with pytest.raises(SampleError, match=r"^two images have one name but for its extension"):
        SOURCE.numbers(video)


def test_frames_are_read_by_their_number(tmp_path: Path):
    for number in (3, 7, 12):
        save(tmp_path / "v" / f"{number}.png", number)
    (tmp_path / "v" / "notes.txt").write_text("not a frame")
    (tmp_path / "v" / ".5.png").write_text("not a frame")
    [video] = listed(tmp_path)
    first, second = SOURCE.read(video, [7, 12])
    assert (first.number, first.seconds, first.image[0, 0, 0], second.image[0, 0, 0]) == (7, None, 7, 12)


def test_what_cannot_be_read_is_told_frame_by_frame(tmp_path: Path):
    for number in range(4):
        save(tmp_path / "v" / f"{number}.png", number, height=9 if number == 3 else HEIGHT)
    (tmp_path / "v" / "1.png").write_bytes(b"torn")
    [video] = listed(tmp_path)
    whole, torn, also_whole, other, absent = SOURCE.read(video, [0, 1, 2, 3, 4])
    assert isinstance(whole, Frame)
    assert isinstance(also_whole, Frame)
    assert torn == Unreadable(1, "not an image of a known format")
    assert other == Unreadable(3, "size changed from 8x6 to 8x9")
    assert absent == Unreadable(4, "no such frame")


def test_an_empty_folder_is_no_video(tmp_path: Path):
    (tmp_path / "v").mkdir()
    [video] = listed(tmp_path)
    with pytest.raises(SampleError, match="no image in the folder"):
        SOURCE.numbers(video)


def test_a_folder_that_is_gone_is_refused_without_its_path(tmp_path: Path):
    save(tmp_path / "v" / "0.png")
    [video] = listed(tmp_path)
    (tmp_path / "v").rename(tmp_path / "w")
    with pytest.raises(SampleError, match=r"^the folder cannot be read: No such file"):
        SOURCE.numbers(video)


def test_wrong_paths_are_refused_by_their_key(tmp_path: Path):
    save(tmp_path / "v" / "0.png")
    with pytest.raises(UserError, match=r"datasets\.x\.source\.path '.*/w\*' matches no folder"):
        listed(tmp_path, "w*")
    with pytest.raises(UserError, match=r"datasets\.x\.source\.flow '.*' is no folder"):
        listed(tmp_path, flow=tmp_path / "no")


def test_sintel_layout(tmp_path: Path):
    for number in (1, 2, 3, 4):
        save(tmp_path / "final" / "alley_1" / f"frame_000{number}.png")
    flow = flow_field()
    (tmp_path / "flow" / "alley_1").mkdir(parents=True)
    for number in (2, 4):
        write_flo(tmp_path / "flow" / "alley_1" / f"frame_000{number}.flo", flow)
    invalid = np.zeros((HEIGHT, WIDTH), bool)
    invalid[0] = True
    occlusion = np.zeros((HEIGHT, WIDTH), bool)
    occlusion[:, 0] = True
    save_mask(tmp_path / "invalid" / "alley_1" / "frame_0002.png", invalid)
    save_mask(tmp_path / "occlusions" / "alley_1" / "frame_0002.png", occlusion)
    [video] = listed(tmp_path / "final", flow=tmp_path / "flow")
    truth = SOURCE.truth(video, 2, 3)
    np.testing.assert_array_equal(truth.valid, ~invalid)
    np.testing.assert_array_equal(truth.occlusion, occlusion)
    np.testing.assert_array_equal(truth.flow, np.where(invalid, 0, flow))
    assert SOURCE.truth(video, 2, 4) is None  # truth leads to the frame after, and no further
    assert SOURCE.truth(video, 1, 2) is None  # no file
    assert SOURCE.truth(video, 4, 5) is None  # no frame


@pytest.mark.parametrize("apart", [False, True])
def test_middlebury_layout(tmp_path: Path, apart: bool):
    """Flow beside the frames, or in a folder of its own; unknown motion is beyond 1e9."""
    for number in (10, 11):
        save(tmp_path / "other-data" / "Urban2" / f"frame{number}.png")
    flow = flow_field()
    root = tmp_path / ("other-gt-flow" if apart else "other-data")
    (root / "Urban2").mkdir(parents=True, exist_ok=True)
    known = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 3 > 0
    write_flo(root / "Urban2" / "flow10.flo", flow, known)
    [video] = listed(tmp_path / "other-data", flow=root)
    truth = SOURCE.truth(video, 10, 11)
    np.testing.assert_array_equal(truth.valid, known)
    np.testing.assert_array_equal(truth.flow, np.where(known, flow, 0))
    assert truth.occlusion is None


def test_kitti_pngs(tmp_path: Path):
    for number in (10, 11):
        save(tmp_path / "image" / "000007" / f"{number}.png")
    flow = flow_field()
    known = np.eye(HEIGHT, WIDTH, dtype=bool)
    (tmp_path / "flow_occ" / "000007").mkdir(parents=True)
    write_kitti_png(tmp_path / "flow_occ" / "000007" / "10.png", flow, known)
    [video] = listed(tmp_path / "image", flow=tmp_path / "flow_occ")
    truth = SOURCE.truth(video, 10, 11)
    np.testing.assert_array_equal(truth.valid, known)
    np.testing.assert_array_equal(truth.flow, np.where(known, flow, 0))


def test_a_frame_is_never_taken_for_its_flow(tmp_path: Path):
    for number in (10, 11):
        save(tmp_path / "v" / f"{number}.png")
        save(tmp_path / "w" / f"{number}.png")
    with pytest.raises(UserError, match=r"source\.flow '.*' has no flow of any frame"):
        listed(tmp_path, "v", flow=tmp_path)
    write_flo(tmp_path / "w" / "10.flo", flow_field())
    video, other = listed(tmp_path, "*", flow=tmp_path)
    assert SOURCE.truth(video, 10, 11) is None
    assert SOURCE.truth(other, 10, 11) is not None


def test_flow_of_no_frame_is_refused_when_it_is_listed(tmp_path: Path):
    for name in ("a", "b"):
        save(tmp_path / "frames" / name / "0001.png")
        save(tmp_path / "frames" / name / "0002.png")
    (tmp_path / "flow").mkdir()
    with pytest.raises(UserError, match=r"datasets\.x\.source\.flow '.*flow' has no flow of any frame: it .* hold a/"):
        listed(tmp_path / "frames", flow=tmp_path / "flow")
    (tmp_path / "flow" / "b").mkdir()
    write_flo(tmp_path / "flow" / "b" / "0003.flo", flow_field())  # of a frame that is not there
    with pytest.raises(UserError, match="has no flow of any frame"):
        listed(tmp_path / "frames", flow=tmp_path / "flow")
    write_flo(tmp_path / "flow" / "b" / "0001.flo", flow_field())
    assert len(listed(tmp_path / "frames", flow=tmp_path / "flow")) == 2


def test_a_folder_of_other_files_than_flow_is_refused_and_one_of_them_named(tmp_path: Path):
    for number in (1, 2):
        save(tmp_path / "frames" / "a" / f"{number}.png")
        save(tmp_path / "drawn" / "a" / f"{number}.png")
    with pytest.raises(UserError, match=r"source\.flow: '.*/drawn/a/1\.png' is a PNG of 8 bits: flow as KITTI's has"):
        listed(tmp_path / "frames", flow=tmp_path / "drawn")
    write_kitti_png(tmp_path / "drawn" / "a" / "1.png", flow_field(), np.ones((HEIGHT, WIDTH), bool))
    [video] = listed(tmp_path / "frames", flow=tmp_path / "drawn")
    save(tmp_path / "drawn" / "a" / "1.png")
    with pytest.raises(SampleError, match=r"^the ground-truth flow is a PNG of 8 bits: flow as KITTI's has three chan"):
        SOURCE.truth(video, 1, 2)


@pytest.mark.parametrize(("height", "width"), [(WIDTH, HEIGHT), (2 * HEIGHT, 2 * WIDTH)])
def test_flow_of_another_size_than_the_frame_is_refused(tmp_path: Path, height: int, width: int):
    for number in (1, 2):
        save(tmp_path / "frames" / "a" / f"{number}.png", height=height, width=width)
    (tmp_path / "flow" / "a").mkdir(parents=True)
    write_flo(tmp_path / "flow" / "a" / "1.flo", flow_field())
    [video] = listed(tmp_path / "frames", flow=tmp_path / "flow")
    with pytest.raises(SampleError, match=rf"^flow of {WIDTH}x{HEIGHT} beside a frame of {width}x{height}$"):
        SOURCE.truth(video, 1, 2)


def test_damaged_truth_is_refused_without_its_path(tmp_path: Path):
    for number in (1, 2):
        save(tmp_path / "final" / "a" / f"frame_{number}.png")
    (tmp_path / "flow" / "a").mkdir(parents=True)
    (tmp_path / "flow" / "a" / "frame_1.flo").write_bytes(b"PIEH")
    [video] = listed(tmp_path / "final", flow=tmp_path / "flow")
    with pytest.raises(SampleError, match=r"^the ground-truth flow is damaged$"):
        SOURCE.truth(video, 1, 2)


def test_paths_with_any_character_survive(tmp_path: Path):
    save(tmp_path / 'a "b" {c} ü?flow=1' / "0.png")
    [video] = listed(tmp_path)
    assert list(SOURCE.numbers(video)) == [0]


def test_davis_as_it_comes(shared_data: Path):
    videos = listed(shared_data / "davis2016" / "JPEGImages" / "480p")
    assert {"blackswan", "dog"} <= {video.video for video in videos}
    swan = next(video for video in videos if video.video == "blackswan")
    assert list(SOURCE.numbers(swan))[:3] == [0, 1, 2]
    [frame] = SOURCE.read(swan, [1])
    assert frame.image.shape == (480, 854, 3)


def test_sintel_and_middlebury_as_they_come(shared_data: Path):
    sintel = shared_data / "flow" / "sintel" / "training"
    for video in listed(sintel / "final", flow=sintel / "flow"):
        truth = SOURCE.truth(video, 2, 3)
        assert truth.flow.shape == (2, *truth.valid.shape) == (2, 436, 1024)
        assert truth.occlusion.any()
        assert truth.valid.mean() > 0.9
    middlebury = shared_data / "flow" / "middlebury"
    known = [SOURCE.truth(video, 10, 11).valid.mean() for video in listed(middlebury, flow=middlebury)]
    assert len(known) == 4
    assert min(known) < 1  # some pixels have no known motion
