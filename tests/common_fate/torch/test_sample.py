import cv2
import numpy as np
import pytest
import torch

from common_fate.shards.codecs import encode
from common_fate.torch import ShardDataset, stream
from common_fate.torch.image_kernels import planes_of
from common_fate.torch.sample import _divided, _planes_of, to_sample


def test_a_sample_holds_what_was_written(view):
    dataset = ShardDataset(view.folder)
    assert [sample["key"] for sample in dataset] == view.keys
    for sample in dataset:
        key = sample["key"]
        assert list(sample) == ["key", "epoch", "image", "flow", "guidance", "json"]
        assert sample["image"].shape == (3, 24, 40)
        assert sample["image"].dtype == torch.float32
        assert sample["image"].min() >= 0
        assert sample["image"].max() <= 1
        error = sample["image"].permute(1, 2, 0).numpy() * 255 - view.images[key]
        assert np.abs(error).mean() < 6  # JPEG; red and blue exchanged give 40
        np.testing.assert_array_equal(sample["flow"].numpy(), view.flows[key])
        np.testing.assert_array_equal(sample["guidance"].numpy(), view.points[key])
        assert sample["json"] == {"video": key.partition("-")[0], "seconds": None}


def test_both_ways_give_the_same_samples(view):
    for mapped, streamed in zip(ShardDataset(view.folder), stream(view.folder), strict=True):
        assert list(mapped) == list(streamed)
        for name, value in mapped.items():
            assert torch.equal(value, streamed[name]) if torch.is_tensor(value) else value == streamed[name]


def test_labels_and_members_of_other_frames_are_named_after_what_they_are():
    labels = np.array([[0, 65535]], np.uint16)
    sample = to_sample("a-000001", {"superpixels.png": encode("png", labels), "next.json": b"{}"}, epoch=4)
    assert sample["epoch"] == 4
    assert sample["superpixels"].tolist() == [[0, 65535]]
    assert sample["superpixels"].dtype == torch.int64
    assert sample["next.json"] == {}


@pytest.mark.parametrize("convert", [planes_of, _divided])
@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (37, 53)])
def test_an_image_is_its_pixels_divided_by_255_to_the_last_bit(convert, shape: tuple[int, int]):
    pixels = np.resize(np.arange(256, dtype=np.uint8), 3 * shape[0] * shape[1]).reshape(
        *shape, 3
    )  # of the largest, every value
    planes = convert(pixels)
    assert planes.dtype == np.float32
    assert planes.flags.c_contiguous
    np.testing.assert_array_equal(planes, (pixels / 255).transpose(2, 0, 1).astype(np.float32))


def test_numba_is_used_where_it_is():
    assert _planes_of() is planes_of


def test_white_is_exactly_one():
    data = cv2.imencode(".jpg", np.full((8, 8, 3), 255, np.uint8))[1].tobytes()
    assert (to_sample("a-000001", {"next.jpg": data}, 0)["next.image"] == 1).all()


@pytest.mark.parametrize("extension", ["jpg", "flow.b2", "guidance.npy", "json", "pkl"])
def test_a_member_that_cannot_be_decoded_is_named(extension):
    with pytest.raises(ValueError, match=f"its {extension} cannot be decoded"):
        to_sample("a-000001", {extension: b"\x80nonsense"}, 0)


def test_masks_are_bool():
    mask = np.array([[0, 255]], np.uint8)
    sample = to_sample(
        "a-000001", {"valid.png": encode("valid.png", mask), "truth.occlusion.png": encode("x.png", mask)}, 0
    )
    assert sample["valid"].dtype == sample["truth.occlusion"].dtype == torch.bool
    assert sample["truth.occlusion"].tolist() == [[False, True]]
