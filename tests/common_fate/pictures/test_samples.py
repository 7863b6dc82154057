import numpy as np
import pytest

from common_fate.pictures import flow_to_color, label_colors, sample_row

GREY = np.full((60, 80, 3), 128, np.uint8)


def uniform(u: float, v: float, height: int = 60, width: int = 80) -> np.ndarray:
    return np.broadcast_to(np.array([u, v], np.float32)[:, None, None], (2, height, width)).copy()


def sample(**others: object) -> dict[str, object]:
    points = np.array([[20, 30, 5], [40, 60, 3]], np.float32)
    about = {"frame": 4, "next": 10, "seconds": 0.16}
    return {"jpg": GREY, "flow.b2": uniform(3, 4), "guidance.npy": points, "json": about, **others}


def test_labels_keep_their_colours_from_picture_to_picture():
    labels = np.arange(41, dtype=np.uint8)[None]
    colors = label_colors(labels)[0]
    assert (colors[0] == 0).all()
    assert len({tuple(color) for color in colors.tolist()}) == 41
    np.testing.assert_array_equal(label_colors(labels[:, ::-1].astype(np.int64))[0, ::-1], colors)


def test_a_cmp_sample_shows_frame_flow_and_guidance():
    (frame, first), (flow, second), (guidance, third) = sample_row("clip-000004", sample())
    np.testing.assert_array_equal(frame, GREY)
    np.testing.assert_array_equal(flow, flow_to_color(uniform(3, 4)))
    assert guidance.shape == GREY.shape
    assert guidance.mean() < GREY.mean()
    assert first.splitlines() == ["clip-000004", "frame: 80 x 60 · at 0.16 s · next frame +6"]
    assert second.splitlines() == ["flow", "mean 5.0, max 5.0, full colour 5.0 px"]
    assert third.splitlines()[1].startswith("2 points")


@pytest.mark.parametrize(
    ("members", "names"),
    [
        (["jpg"], ["frame"]),
        (["jpg", "json"], ["frame"]),
        (["flow.b2", "json"], ["flow"]),
        (["guidance.npy"], []),
        (["flow.b2", "guidance.npy"], ["flow", "guidance"]),
        (["flow.b2", "valid.png", "occlusion.png", "objects.png"], ["flow", "occlusion", "objects"]),
        (["superpixels.png"], ["superpixels"]),
    ],
)
def test_a_sample_shows_whatever_it_has(members: list[str], names: list[str]):
    objects = np.zeros((60, 80), np.uint8)
    objects[:30] = 2
    whole = sample(
        **{"objects.png": objects, "occlusion.png": objects > 0, "valid.png": objects, "superpixels.png": objects}
    )
    tiles = sample_row("k-000001", {member: whole[member] for member in members})
    captions = [caption.removeprefix("k-000001\n") for _, caption in tiles]
    assert [caption.replace(":", "\n").split("\n")[0] for caption in captions] == names
    assert all(picture.dtype == np.uint8 and picture.shape == (60, 80, 3) for picture, _ in tiles)
    if "objects.png" in members:
        assert "50.0% hidden" in captions[1]
        assert "1 object" in captions[2]
        assert (tiles[0][0][30:] == 0).all()  # not valid there


def test_flow_that_is_unknown_everywhere_is_said_to_be():
    (picture, caption), *_ = sample_row("k-000001", {"flow.b2": np.full((2, 9, 9), np.nan, np.float32)})
    assert (picture == 0).all()
    assert "unknown" in caption


def test_a_member_that_no_table_names_is_drawn_by_its_coding():
    labels = np.zeros((60, 80), np.uint8)
    labels[:30] = 7
    (picture, caption), *rest = sample_row("k-000001", {"dark.png": labels, "other.npy": np.zeros(3)})
    assert caption == "k-000001\ndark: 2 labels"
    np.testing.assert_array_equal(picture, label_colors(labels))
    assert not rest


def test_frames_and_motion_beside_the_frames_own_are_shown_and_their_labels_are_not():
    labels = np.zeros((60, 80), np.uint16)
    whole = sample(**{"next.jpg": GREY, "next.superpixels.png": labels, "truth.flow.b2": uniform(3, 4) / 2})
    captions = [caption for _, caption in sample_row("k-000001", whole)]
    assert [caption.splitlines()[0] for caption in captions[1:]] == ["flow", "guidance", "next", "truth.flow"]
    assert "full colour 5.0 px" in captions[-1]  # as of the flow beside it
