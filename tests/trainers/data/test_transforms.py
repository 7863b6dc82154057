import math
import pickle
from fractions import Fraction
from itertools import count, islice

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as TF

from common_fate.errors import ShardError
from common_fate.shards.flow_coding import LIMIT
from trainers.data.transforms import IGNORED, NOWHERE, Joint, jittered
from trainers.engine.options import TransformOptions

sides = st.integers(8, 60)
seeds = st.integers(0, 2**32 - 1)


def sample_of(height: int, width: int, seed: int = 0, key: str = "a-000001", epoch: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    return {
        "key": key,
        "epoch": epoch,
        "image": torch.from_numpy(rng.random((3, height, width), np.float32)),
        "flow": torch.from_numpy(rng.normal(size=(2, height, width)).astype(np.float32) * 9),
        "labels": torch.from_numpy(rng.integers(0, 22, (height, width))),
    }


def joint(train: bool = False, seed: int = 0, pairs: tuple = (), **options) -> Joint:
    return Joint(TransformOptions(**options), seed, train, pairs)


def numbered(height: int, width: int, **more) -> dict:
    """A sample whose labels are the places of its pixels."""
    return sample_of(height, width, **more) | {"labels": torch.arange(height * width).reshape(height, width)}


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) if torch.is_tensor(value) else value == other[name]
        for name, value in one.items()
    )


@given(height=sides, width=sides, shorter=st.integers(16, 60))
@settings(deadline=None, max_examples=60)
def test_resizing_scales_u_by_the_ratio_of_widths_and_v_by_that_of_heights(height: int, width: int, shorter: int):
    sample = sample_of(height, width)
    sample["flow"][0], sample["flow"][1] = 3, -7
    longest = 60 * 8
    made = joint(shorter_side=shorter, crop=longest)(sample)
    rows, columns = (made["valid"].any(dim).sum().item() for dim in (1, 0))
    assert min(rows, columns) == shorter
    assert abs(max(rows, columns) - max(height, width) * shorter / min(height, width)) <= 0.5
    u, v = made["flow"][:, made["valid"]]
    torch.testing.assert_close(u, torch.full_like(u, 3 * columns / width))
    torch.testing.assert_close(v, torch.full_like(v, -7 * rows / height))


@given(height=sides, width=sides, shorter=st.integers(16, 60), seed=seeds)
@settings(deadline=None, max_examples=60)
def test_resizing_is_bilinear_bicubic_and_nearest(height: int, width: int, shorter: int, seed: int):
    sample = sample_of(height, width, seed)
    made = joint(shorter_side=shorter, crop=60 * 8)(sample)
    rows, columns = (made["valid"].any(dim).sum().item() for dim in (1, 0))

    def inside(name: str) -> torch.Tensor:
        return made[name][..., made["valid"]].reshape(-1, rows, columns)

    def resized(name: str, **how) -> torch.Tensor:
        return F.interpolate(sample[name].reshape(1, -1, height, width).float(), (rows, columns), **how)[0]

    flow = resized("flow", mode="bilinear", align_corners=False)
    ratio = torch.tensor([columns / width, rows / height])[:, None, None]
    torch.testing.assert_close(inside("flow"), flow * ratio, atol=2e-3, rtol=1e-4)
    y, x = (
        [math.floor((place + Fraction(1, 2)) * old / new) for place in range(new)]
        for old, new in ((height, rows), (width, columns))
    )
    assert torch.equal(inside("labels")[0], sample["labels"][y][:, x])
    if rows > height:
        image = resized("image", mode="bicubic", align_corners=False).clamp(0, 1)
        torch.testing.assert_close(inside("image"), image, atol=2e-4, rtol=0)


def test_a_shrunk_image_is_averaged():
    sample = sample_of(64, 96)
    made = joint(shorter_side=32, crop=32)(sample)
    expected = F.avg_pool2d(sample["image"], 2)[:, :, 8:40]
    torch.testing.assert_close(made["image"], expected)


def test_an_image_that_fits_is_left_as_it_is():
    sample = sample_of(32, 32)
    for options in ({"shorter_side": 32}, {"shorter_side": None}):
        made = joint(crop=32, **options)(sample)
        assert all(torch.equal(made[name], sample[name]) for name in ("image", "flow", "labels"))
        assert made["valid"].all()


@given(height=sides, width=sides, train=st.booleans(), epoch=st.integers(0, 50))
@settings(deadline=None)
def test_all_is_cut_at_the_same_place(height: int, width: int, train: bool, epoch: int):
    sample = numbered(height, width, epoch=epoch)
    side = 16
    made = joint(train, shorter_side=None, crop=side, flip=True)(sample)
    y, x = made["labels"] // width, made["labels"] % width
    valid = made["valid"]
    assert valid.sum() == min(height, side) * min(width, side)
    assert torch.equal(made["image"][:, valid], sample["image"][:, y[valid], x[valid]])
    step = int(x[valid][1] - x[valid][0])  # -1 where it is flipped
    assert abs(step) == 1
    assert train or step == 1
    expected = sample["flow"][:, y[valid], x[valid]] * torch.tensor([step, 1])[:, None]
    assert torch.equal(made["flow"][:, valid], expected)
    assert (made["labels"][~valid] == IGNORED).all()


@given(rows=st.integers(16, 23), columns=st.integers(8, 16))
@settings(deadline=None, max_examples=15)
def test_every_offset_is_drawn_the_last_as_often_as_the_first(rows: int, columns: int):
    """Wider than the crop, it is cut at any place; narrower, it lies at any place."""
    transform = joint(True, shorter_side=None, crop=16)
    first = {"y": [], "x": []}
    for number in range(400):
        made = transform(numbered(rows, columns, key=f"a-{number:06d}"))
        first["y"].append(int(made["labels"][made["valid"]].min()) // columns)
        first["x"].append(int(made["valid"].any(0).int().argmax()))
    for name, places in (("y", rows - 16 + 1), ("x", 16 - columns + 1)):
        counts = np.bincount(first[name], minlength=places)
        assert len(counts) == places
        assert counts.min() > 400 / places / 3


@given(height=sides, width=sides)
@settings(deadline=None)
def test_without_training_the_crop_is_the_centre(height: int, width: int):
    transform = joint(shorter_side=None, crop=16, flip=True, jitter=0.5, scale=(0.5, 2))
    made = transform(numbered(height, width))
    assert same(made | {"epoch": 9}, transform(numbered(height, width, epoch=9)))
    if min(height, width) >= 16:
        top, left = divmod(int(made["labels"][0, 0]), width)
        assert abs(2 * top - (height - 16)) <= 1
        assert abs(2 * left - (width - 16)) <= 1


def flipping_key(transform: Joint) -> str:
    """Of a sample that is flipped."""
    for number in count():
        key = f"a-{number:06d}"
        if transform(numbered(16, 16, key=key))["labels"][0, 0] != 0:
            return key
    raise AssertionError


def test_a_flip_mirrors_and_negates_u_and_twice_is_the_identity():
    transform = joint(True, shorter_side=None, crop=16, flip=True)
    sample = sample_of(16, 16, key=flipping_key(transform)) | {"points": torch.tensor([[3, 2], [0, 15]])}
    once = transform(sample)
    assert torch.equal(once["image"], sample["image"].flip(-1))
    assert torch.equal(once["flow"][0], -sample["flow"][0].flip(-1))
    assert torch.equal(once["flow"][1], sample["flow"][1].flip(-1))
    assert once["points"].tolist() == [[3, 13], [0, 0]]
    assert once["valid"].all()
    twice = transform(once)
    assert same({name: twice[name] for name in sample}, sample)


def test_half_of_all_are_flipped():
    transform = joint(True, shorter_side=None, crop=16, flip=True)
    flipped = [transform(numbered(16, 16, key=f"a-{n:06d}"))["labels"][0, 0] != 0 for n in range(300)]
    assert 120 < sum(flipped) < 180


def waves(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.stack([0.5 + 0.2 * np.sin(0.21 * x + 0.1 * c) + 0.2 * np.cos(0.17 * y - 0.05 * x) for c in range(3)])


@given(epoch=st.integers(0, 1000), u=st.floats(-6, 6), v=st.floats(-6, 6), height=st.integers(90, 130))
@settings(deadline=None, max_examples=40)
def test_a_translation_still_leads_to_the_same_place(epoch: int, u: float, v: float, height: int):
    """Where the flow of the transformed sample points to in the second image, transformed alike, it looks the same."""
    y, x = np.mgrid[:height, :101].astype(np.float64)
    first = sample_of(height, 101, epoch=epoch)
    first["flow"][0], first["flow"][1] = u, v
    first["image"], second = (torch.from_numpy(waves(y - b, x - a).astype(np.float32)) for b, a in ((0, 0), (v, u)))
    transform = joint(True, shorter_side=80, scale=(0.8, 1.6), crop=64, flip=True)
    before, after = transform(first), transform(first | {"image": second})
    flow = before["flow"].numpy()
    row, column = np.mgrid[:64, :64].astype(np.float32)
    targets = column + flow[0], row + flow[1]
    warped = [cv2.remap(plane.numpy(), *targets, cv2.INTER_CUBIC) for plane in after["image"]]
    margin = 16  # a motion of 6 px grows to at most 80 / 90 * 1.6 of it, and the resized border repeats its pixels
    inside = np.s_[:, margin:-margin, margin:-margin]
    error = np.abs(np.stack(warped) - before["image"].numpy())[inside].max()
    assert error < 0.02
    if np.hypot(u, v) > 3:
        assert (after["image"] - before["image"]).abs()[inside].max() > 0.04


def test_padding_is_the_mean_colour_not_valid_and_of_no_class():
    sample = sample_of(20, 24)
    made = joint(shorter_side=None, crop=32)(sample)
    padding = ~made["valid"]
    assert padding.sum() == 32 * 32 - 20 * 24
    mean = sample["image"].mean((1, 2))
    torch.testing.assert_close(made["image"][:, padding], mean[:, None].expand(-1, int(padding.sum())))
    assert (made["flow"][:, padding] == 0).all()
    assert (made["labels"][padding] == IGNORED).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, LIMIT, -LIMIT, 1e30])
@pytest.mark.parametrize("channel", [0, 1])
def test_flow_that_the_codec_cannot_hold_is_not_valid(value: float, channel: int):
    sample = sample_of(32, 32)
    sample["flow"][channel, 5, 6] = value
    made = joint(shorter_side=None, crop=32)(sample)
    assert (~made["valid"]).nonzero().tolist() == [[5, 6]]
    assert made["flow"][:, 5, 6].tolist() == [0, 0]


@given(height=st.integers(20, 40), shorter=st.integers(16, 70), seed=seeds)
@settings(deadline=None, max_examples=60)
def test_what_is_interpolated_from_an_invalid_pixel_is_not_valid(height: int, shorter: int, seed: int):
    """By torch: the flow where NaN has not spread to."""
    sample = sample_of(height, 30, seed)
    hole = torch.rand(height, 30, generator=torch.Generator().manual_seed(seed)) < 0.03
    torn = sample | {"flow": sample["flow"].masked_fill(hole, torch.nan)}
    masked = sample | {"valid": (~hole).long() * 255}
    transform = joint(shorter_side=shorter, crop=160)
    made, whole = transform(torn), transform(sample)
    assert same(made, transform(masked))
    assert torch.isfinite(made["flow"]).all()
    rows, columns = (whole["valid"].any(dim).sum().item() for dim in (1, 0))
    share = F.interpolate(hole[None, None].float(), (rows, columns), mode="bilinear", align_corners=False)[0, 0]
    valid = made["valid"][whole["valid"]].reshape(rows, columns)
    assert not valid[share > 1e-3].any()
    assert valid[share == 0].all()
    torch.testing.assert_close(made["flow"][:, made["valid"]], whole["flow"][:, made["valid"]], atol=0.02, rtol=1e-3)


@given(epoch=st.integers(0, 1000), shorter=st.sampled_from([30, 60, 90]), seed=seeds)
@settings(deadline=None)
def test_points_stay_on_what_they_mark(epoch: int, shorter: int, seed: int):
    """Enlarged by 1, 2 and 3, every pixel has a crop pixel that shows it; and those that the crop has no more go."""
    sample = numbered(30, 45, epoch=epoch)
    points = torch.from_numpy(np.random.default_rng(seed).integers(0, (30, 45), (9, 2)))
    made = joint(True, shorter_side=shorter, crop=32, flip=True)(sample | {"points": points})
    marked = made["labels"][made["points"][:, 0], made["points"][:, 1]]
    places = points[:, 0] * 45 + points[:, 1]
    kept = torch.isin(places, marked)
    assert marked.tolist() == places[kept].tolist()
    if shorter == 30:
        assert kept.tolist() == torch.isin(places, made["labels"][made["valid"]]).tolist()


def test_a_point_is_the_centre_of_its_enlarged_pixel():
    made = joint(shorter_side=48, crop=48)(sample_of(16, 16) | {"points": torch.tensor([[1, 2], [0, 15]])})
    assert made["points"].tolist() == [[4, 7], [1, 46]]


def test_points_that_are_no_places_are_left_out():
    points = torch.tensor([[np.nan, 3, 0], [4, np.inf, 0], [-1, 5, 0], [32, 5, 0], [1e30, 5, 0], [6, 7, 0]])
    made = joint(shorter_side=None, crop=32)(sample_of(32, 32) | {"points": points})
    assert made["points"].tolist() == [[6, 7]]
    assert made["points"].dtype == torch.int64


VARIED = {"shorter_side": 40, "crop": 32, "scale": (0.7, 1.4), "flip": True, "jitter": 0.4}


@given(seed=st.integers(0, 99), epoch=st.integers(0, 99), number=st.integers(0, 99))
@settings(deadline=None)
def test_the_same_seed_epoch_and_key_give_the_same_bytes(seed: int, epoch: int, number: int):
    sample = sample_of(50, 60, key=f"a-{number:06d}", epoch=epoch)
    transform = joint(True, seed, **VARIED)
    first = transform(sample)
    transform(sample_of(50, 60, key="other-000001", epoch=epoch + 1))  # what came between does not matter
    assert same(first, transform(sample))
    assert same(first, pickle.loads(pickle.dumps(transform))(sample))


def test_another_seed_epoch_or_key_gives_another_crop():
    def crop(seed: int = 0, **more) -> torch.Tensor:
        return joint(True, seed, shorter_side=None, crop=16)(numbered(400, 400, **more))["labels"]

    for other in (crop(seed=1), crop(epoch=1), crop(key="a-000002")):
        assert not torch.equal(crop(), other)


def test_switching_one_on_leaves_the_others_as_they_were():
    crops = [
        joint(True, shorter_side=None, crop=16, jitter=jitter)(numbered(90, 90, key=f"a-{n:06d}"))["labels"]
        for jitter in (0.0, 0.5)
        for n in range(5)
    ]
    assert all(torch.equal(*pair) for pair in zip(crops[:5], crops[5:], strict=True))


@given(height=sides, width=sides, epoch=st.integers(0, 50), flip=st.booleans())
@settings(deadline=None, max_examples=60)
def test_a_random_box_is_resized_to_the_square(height: int, width: int, epoch: int, flip: bool):
    """Of an image whose colours are places: a share of its area, of an aspect, and no padding."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    sample = sample_of(height, width, epoch=epoch)
    sample["image"] = torch.from_numpy(np.stack([(y + 0.5) / height, (x + 0.5) / width, 0 * x]).astype(np.float32))
    transform = joint(True, shorter_side=None, crop=16, area=(0.3, 0.6), aspect=(0.5, 2.0), flip=flip)
    made, window = transform(sample), transform.window(sample)
    assert made["valid"].all()
    box = np.multiply(window.old, 16) / window.new
    share, aspect = box.prod() / (height * width), box[1] / box[0]
    whole = np.isclose(box, [height, width], rtol=0.1).any()  # it would be longer than the image
    assert (0.27 if not whole else 0) < share < 0.66
    assert whole or 0.45 < aspect < 2.2
    places = np.stack(np.meshgrid(np.arange(16), np.arange(16), indexing="ij"), -1).reshape(-1, 2)
    origins = window.origins(places)
    assert (origins > -0.51).all()
    assert (origins < np.subtract([height, width], 0.49)).all()
    found, inside = window.places(origins)
    np.testing.assert_allclose(found, places, atol=1e-4)
    assert inside.all()
    colours = ((origins + 0.5) / [height, width]).T.reshape(2, 16, 16)
    inner = (slice(None), slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(made["image"][:2].numpy()[inner], colours[inner], atol=0.6 / min(height, width))


def test_another_purpose_gives_another_crop_and_none_without_training():
    def crop(purpose: str, train: bool = True) -> torch.Tensor:
        options = TransformOptions(shorter_side=None, crop=16, area=(0.2, 0.5))
        return Joint(options, 0, train, purpose=purpose)(numbered(90, 90))["labels"]

    assert torch.equal(crop("transform"), crop("transform"))
    assert not torch.equal(crop("transform"), crop("second view"))
    assert torch.equal(crop("transform", False), crop("second view", False))
    assert torch.equal(crop("any", False), joint(shorter_side=None, crop=16)(numbered(90, 90))["labels"])


@given(factors=st.tuples(*[st.floats(0.1, 1.9)] * 3), seed=seeds)
@settings(deadline=None)
def test_jitter_is_torchvision_s(factors: tuple[float, float, float], seed: int):
    image = sample_of(20, 24, seed)["image"]
    expected = image
    for adjust, factor in zip((TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation), factors, strict=True):
        expected = adjust(expected, factor)
    made = torch.from_numpy(jittered([image.numpy()], *factors)[0])
    torch.testing.assert_close(made, expected, atol=2e-3, rtol=0)  # torchvision rounds the weight of red


def test_jitter_changes_the_image_alone_and_by_no_more_than_its_share():
    plain, jittered = (joint(True, shorter_side=None, crop=32, jitter=jitter) for jitter in (0.0, 0.2))
    ratios = []
    for number in islice(count(), 50):
        sample = sample_of(32, 32, key=f"a-{number:06d}")
        sample["image"][:] = 0.5  # one grey: contrast and saturation leave it as it is
        before, after = plain(sample), jittered(sample)
        ratios.append(float(after["image"].mean() / before["image"].mean()))
        assert all(torch.equal(before[name], after[name]) for name in ("flow", "valid", "labels"))
    assert 0.8 <= min(ratios) < 0.85
    assert 1.15 < max(ratios) <= 1.2


def test_images_and_labels_alone_are_enough():
    sample = {name: sample_of(40, 50)[name] for name in ("key", "epoch", "image", "labels")}
    made = joint(True, **VARIED)(sample)
    assert list(made) == ["key", "epoch", "image", "valid", "labels"]
    assert made["labels"].dtype == torch.int64


def test_the_sample_is_not_written_to_nor_shared():
    sample = sample_of(32, 32) | {"points": torch.tensor([[1, 2]])}
    copy = pickle.loads(pickle.dumps(sample))
    made = joint(shorter_side=None, crop=32)(sample)
    for name in ("image", "flow", "labels", "points"):
        made[name] += 1
    assert same(sample, copy)


@pytest.mark.parametrize("name", ["flow", "valid", "labels"])
def test_what_does_not_fit_the_image_is_refused(name: str):
    wrong = sample_of(32, 32) | {name: torch.zeros(2, 30, 31) if name == "flow" else torch.zeros(30, 31)}
    with pytest.raises(ShardError, match=f"a-000001: its {name} is 30x31 and its image 32x32"):
        joint(crop=32)(wrong)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (2, 2, 2)])
def test_points_that_are_no_rows_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ShardError, match="a-000001: its points are"):
        joint(crop=32)(sample_of(32, 32) | {"points": torch.zeros(shape)})


def test_a_strip_that_would_fill_the_memory_is_refused():
    with pytest.raises(ShardError, match="a-000001: resized from 1x4000"):
        joint(shorter_side=416)(sample_of(1, 4000))


def whole_sample(height: int, width: int, seed: int = 0, **more) -> dict:
    """Every member that there is, of three frames."""
    sample, rng = sample_of(height, width, seed, **more), np.random.default_rng(seed + 1)
    labels = ("objects", "regions", "superpixels", "previous.superpixels", "next.superpixels")
    return (
        sample
        | {name: torch.from_numpy(rng.random((3, height, width), np.float32)) for name in FRAMES[1:]}
        | {name: sample["flow"] * factor for name, factor in (("backward", -1), ("truth.flow", 0.5))}
        | {name: torch.from_numpy(rng.integers(0, 255, (height, width))) for name in labels}
        | {name: torch.from_numpy(rng.integers(0, 2, (height, width)) * 255) for name in MASKS}
        | {
            "tree": torch.tensor([[0, 1, 0.2, 2], [2, 3, 0.5, 3]]),
            "guidance": torch.from_numpy(rng.random((9, 3), np.float32)) * torch.tensor([height - 1, width - 1, 20]),
            "points": torch.from_numpy(rng.integers(0, (height, width), (9, 2))),
            "landmarks": torch.from_numpy(rng.random((6, 3), np.float32)) * torch.tensor([height - 1, width - 1, 1]),
            "json": {"video": "a", "width": width, "height": height},
        }
    )


FRAMES = ("image", "previous.image", "next.image")
FLOWS = {"flow": "valid", "backward": "backward_valid", "truth.flow": "truth.valid"}
MASKS = ("occlusion", "truth.valid")


def test_every_member_comes_out_with_the_crop_s_sides():
    sample = whole_sample(50, 60)
    made = joint(True, **VARIED)(sample)
    assert made.keys() == sample.keys() | {"valid", "backward_valid", "landmarks_valid"}
    for name, value in made.items():
        if name not in ("key", "epoch", "tree", "json", "guidance", "points", "landmarks", "landmarks_valid"):
            assert tuple(value.shape[-2:]) == (32, 32), name
    assert torch.equal(made["tree"], sample["tree"])
    assert made["json"] == sample["json"]
    assert made["occlusion"].dtype == made["truth.valid"].dtype == made["backward_valid"].dtype == torch.bool


@pytest.mark.parametrize("name", ["depth", "next.depth", "flow.b2", "image.next", "superpixel"])
def test_a_member_that_nothing_is_known_of_is_refused(name: str):
    with pytest.raises(
        ShardError, match=f"a-000001: nothing is known of its {name}, so it cannot be moved with the image"
    ):
        joint(crop=32)(sample_of(32, 32) | {name: torch.zeros(32, 32)})


def test_of_other_members_the_caller_says_how_they_lie_on_the_image():
    sample = sample_of(20, 24, key="a-000003")
    more = {"dark": "labels", "later": "flow", "corners": "points", "weights": "array"}
    others = {"dark": sample["labels"], "later": sample["flow"], "corners": torch.tensor([[3, 4, 1]])}
    transform = Joint(TransformOptions(shorter_side=None, crop=32, flip=True), 0, True, more=more)
    made = transform(sample | others | {"weights": torch.ones(2)})
    on_image = made["labels"] != IGNORED
    assert torch.equal(made["dark"][on_image], made["labels"][on_image])
    assert (made["dark"][~on_image] == NOWHERE).all()
    assert torch.equal(made["later"], made["flow"])
    assert torch.equal(made["later_valid"], made["valid"])
    assert sample["labels"][3, 4] == made["labels"][tuple(made["corners"][0])]
    assert torch.equal(made["weights"], torch.ones(2))


def test_a_sample_without_an_image_is_refused():
    sample = {name: sample_of(32, 32)[name] for name in ("key", "epoch", "flow")}
    with pytest.raises(ShardError, match="a-000001: has no image"):
        joint(crop=32)(sample)


@pytest.mark.parametrize(
    "name", ["next.image", "backward", "truth.flow", "occlusion", "previous.superpixels", "backward_valid", "regions"]
)
def test_frames_and_maps_of_another_size_are_refused(name: str):
    planes = {"next.image": (3,), "backward": (2,), "truth.flow": (2,)}.get(name, ())
    with pytest.raises(ShardError, match=f"a-000001: its {name} is 30x31 and its image 32x32"):
        joint(crop=32)(sample_of(32, 32) | {name: torch.zeros(*planes, 30, 31)})
    with pytest.raises(ShardError, match=f"a-000001: its {name} is .*, and not"):
        joint(crop=32)(sample_of(32, 32) | {name: torch.zeros(4, 32, 32)})


@given(seed=seeds, epoch=st.integers(0, 99), jitter=st.sampled_from([0.0, 0.4]))
@settings(deadline=None, max_examples=40)
def test_frames_flows_and_maps_of_others_become_what_the_first_would(seed: int, epoch: int, jitter: float):
    """Put in the place of the frame's own, each comes out the same."""
    sample = whole_sample(50, 60, seed, epoch=epoch)
    transform = joint(True, seed, **VARIED | {"jitter": jitter})
    made = transform(sample)
    if not jitter:
        for name in FRAMES:
            alone = transform({"key": sample["key"], "epoch": epoch, "image": sample[name]})
            assert torch.equal(made[name], alone["image"]), name
    for name, valid in FLOWS.items():
        given_valid = {"valid": sample[valid]} if valid in sample else {}
        alone = transform(sample_of(50, 60, seed, epoch=epoch) | {"flow": sample[name]} | given_valid)
        assert torch.equal(made[name], alone["flow"]), name
        assert torch.equal(made[valid], alone["valid"]), name
    for name in ("labels", "objects", "regions", "superpixels", "next.superpixels"):
        alone = transform(sample | {"labels": sample[name]})["labels"]
        on_image = made["labels"] != IGNORED
        assert torch.equal(made[name][on_image], alone[on_image]), name


def test_what_is_beyond_the_image_is_nothing_of_its_kind():
    sample = whole_sample(20, 24)
    sample["regions"][0, 0] = 255  # regions and superpixels may be called that
    made = joint(shorter_side=None, crop=32)(sample)
    padding = made["labels"] == IGNORED
    assert padding.sum() == 32 * 32 - 20 * 24
    assert (made["objects"][padding] == IGNORED).all()
    for name in ("regions", "superpixels", "next.superpixels", "previous.superpixels"):
        assert (made[name][padding] == NOWHERE).all()
        assert (made[name][~padding] >= 0).all()
    for name, valid in FLOWS.items():
        assert not made[valid][padding].any()
        assert (made[name][:, ~made[valid]] == 0).all()
    assert not made["occlusion"][padding].any()


@given(seed=seeds, number=st.integers(0, 99), height=st.sampled_from([15, 16]))
@settings(deadline=None, max_examples=40)
def test_flipping_twice_is_the_identity(seed: int, number: int, height: int):
    """Either way and both, of every member; of a smaller image the same draw puts the crop into itself."""
    sample = whole_sample(16, 16, seed, key=f"a-{number:06d}")
    sample["points"] = sample["points"][:4]
    sample["guidance"] = torch.tensor([[0, 3, 1.5], [15, 7, 2.5], [8, 8, 0]])
    transform = joint(True, seed, shorter_side=None, crop=16, flip=True, flip_vertical=True, pairs=((0, 1), (4, 2)))
    once = transform(sample)
    twice = transform(once)
    again = transform(twice)
    assert same(again, once)
    plain = joint(shorter_side=None, crop=16)(sample)
    torch.testing.assert_close(twice["landmarks"], plain["landmarks"])
    assert same(twice | {"landmarks": plain["landmarks"]}, plain)


@pytest.mark.parametrize(("flip", "flip_vertical"), [(True, False), (False, True), (True, True)])
def test_flips_mirror_negate_and_swap(flip: bool, flip_vertical: bool):
    """Beside each other, drawn apart; and a mirror image alone has left and right in each other's places."""
    transform = joint(True, shorter_side=None, crop=16, flip=flip, flip_vertical=flip_vertical, pairs=((0, 1),))
    seen = set()
    for number in range(40):
        sample = whole_sample(16, 16, key=f"a-{number:06d}")
        sample["landmarks"] = torch.tensor([[3.25, 2, 0], [7, 9.5, 1], [15, 0, 2]])
        made = transform(sample)
        first = numbered(16, 16, key=sample["key"])
        place = int(transform(first)["labels"][0, 0])
        horizontal, vertical = place % 16 == 15, place // 16 == 15
        seen.add((horizontal, vertical))
        dims = [dim for dim, flipped in ((-1, horizontal), (-2, vertical)) if flipped]
        sign = torch.tensor([-1 if horizontal else 1, -1 if vertical else 1])[:, None, None]
        assert torch.equal(made["next.image"], sample["next.image"].flip(dims))
        assert torch.equal(made["superpixels"], sample["superpixels"].flip(dims))
        assert torch.equal(made["occlusion"], sample["occlusion"].flip(dims) != 0)
        assert torch.equal(made["backward"], sample["backward"].flip(dims) * sign)
        y, x, what = sample["landmarks"].T
        moved = torch.stack([15 - y if vertical else y, 15 - x if horizontal else x, what], dim=1)
        assert torch.equal(made["landmarks"], moved[[1, 0, 2]] if horizontal != vertical else moved)
        assert made["landmarks_valid"].all()
    assert seen == {(h, v) for h in {False, flip} for v in {False, flip_vertical}}


def test_switching_the_vertical_flip_on_leaves_the_rest_as_it_was():
    for number in range(20):
        sample = whole_sample(50, 60, key=f"a-{number:06d}")
        before, after = (joint(True, **VARIED, flip_vertical=on)(sample) for on in (False, True))
        assert same(before, after) or torch.equal(before["labels"], after["labels"].flip(-2))


@given(epoch=st.integers(0, 1000), seed=seeds)
@settings(deadline=None, max_examples=40)
def test_a_moving_scene_still_moves_from_each_frame_to_the_next(epoch: int, seed: int):
    """Three frames of one scene, shifted: the transformed ones are warped onto each other by the transformed flows."""
    u, v = np.random.default_rng(seed).uniform(-5, 5, 2)
    y, x = np.mgrid[:100, :110].astype(np.float64)
    frames = [torch.from_numpy(waves(y - t * v, x - t * u).astype(np.float32)) for t in (-1, 0, 1)]
    flow = torch.tensor([u, v], dtype=torch.float32)[:, None, None].expand(2, 100, 110).contiguous()
    sample = {"key": "a-000001", "epoch": epoch, "image": frames[1], "previous.image": frames[0]}
    sample |= {"next.image": frames[2], "flow": flow, "backward": -flow}
    options = {"shorter_side": 90, "scale": (0.8, 1.5), "crop": 64, "flip": True, "flip_vertical": True, "jitter": 0.3}
    made = joint(True, **options)(sample)
    row, column = np.mgrid[:64, :64].astype(np.float32)
    inside = np.s_[:, 16:-16, 16:-16]
    for name, field in (("next.image", made["flow"]), ("previous.image", -made["flow"])):
        targets = column + field[0].numpy(), row + field[1].numpy()
        warped = np.stack([cv2.remap(plane.numpy(), *targets, cv2.INTER_CUBIC) for plane in made[name]])
        assert np.abs(warped - made["image"].numpy())[inside].max() < 0.03
    assert torch.equal(made["backward"], -made["flow"])


def test_the_same_colour_stays_the_same_in_every_frame():
    """Whatever else a frame shows: jitter's mean grey is the first frame's for all."""
    transform = joint(True, shorter_side=None, crop=32, jitter=0.6)
    for number in range(20):
        sample = sample_of(32, 32, key=f"a-{number:06d}")
        sample["next.image"] = sample["image"].clone()
        sample["next.image"][:, :, 16:] = 0.9
        made = transform(sample)
        assert torch.equal(made["next.image"][:, :, :16], made["image"][:, :, :16])
        assert not torch.equal(made["image"], sample["image"])


@given(epoch=st.integers(0, 1000), shorter=st.sampled_from([30, 60, 90]), seed=seeds)
@settings(deadline=None)
def test_points_and_landmarks_land_on_the_label_that_they_had(epoch: int, shorter: int, seed: int):
    sample = numbered(30, 45, epoch=epoch)
    pixels = np.random.default_rng(seed).integers(0, (30, 45), (9, 2))
    guidance = torch.from_numpy(np.column_stack([pixels, np.arange(9)]).astype(np.float32))
    more = {"guidance": guidance, "landmarks": guidance, "regions": sample["labels"]}
    transform = joint(True, shorter_side=shorter, crop=32, flip=True, flip_vertical=True)
    made = transform(sample | more)
    factor = shorter / 30
    for y, x, distance in made["guidance"].tolist():
        row = round(distance / factor)
        assert made["regions"][int(y), int(x)] == pixels[row] @ (45, 1)
    inside = made["landmarks_valid"]
    for row in range(9):
        y, x, what = made["landmarks"][row].tolist()
        assert what == row
        if inside[row]:
            nearest = made["regions"][min(max(round(y), 0), 31), min(max(round(x), 0), 31)]
            assert nearest == pixels[row] @ (45, 1)
    if shorter == 30:
        kept = {int(place) for place in made["regions"].unique()}
        assert inside.tolist() == [int(row @ (45, 1)) in kept for row in pixels]


def test_landmarks_that_are_nowhere_are_kept_and_not_valid():
    landmarks = torch.tensor([[3, 4], [np.nan, np.nan], [40, 3], [-0.6, 5], [-0.4, 5]])
    made = joint(shorter_side=None, crop=32)(sample_of(32, 32) | {"landmarks": landmarks})
    assert made["landmarks_valid"].tolist() == [True, False, False, False, True]
    torch.testing.assert_close(made["landmarks"], landmarks, equal_nan=True)


def test_pairs_beyond_the_landmarks_are_refused():
    with pytest.raises(ShardError, match="a-000001: has 3 landmarks, too few for the pairs"):
        joint(crop=32, pairs=((0, 3),))(sample_of(32, 32) | {"landmarks": torch.zeros(3, 2)})


def test_members_given_through_are_copies():
    sample = whole_sample(32, 32)
    copy = pickle.loads(pickle.dumps(sample))
    made = joint(shorter_side=None, crop=32)(sample)
    made["json"]["video"] = "b"
    for name in ("tree", "regions", "next.image", "backward", "guidance", "landmarks"):
        made[name] += 1
    assert same(sample, copy)


@pytest.mark.parametrize(("flip", "flip_vertical"), [(True, False), (True, True)])
def test_mirror_images_swap_left_and_right_labels(flip: bool, flip_vertical: bool):
    """Against NumPy: 3 and 5 change places in a mirror image alone, in `labels` and in nothing else."""
    transform = joint(True, shorter_side=None, crop=16, flip=flip, flip_vertical=flip_vertical)
    swapping = Joint(transform.options, 0, True, swaps=((3, 5), (6, 0)))
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 8, (16, 16)))
    mirrored = 0
    for number in range(20):
        sample = sample_of(16, 16, key=f"a-{number:06d}") | {"labels": labels, "objects": labels}
        plain, made = transform(sample), swapping(sample)
        window = transform.window(sample)
        expected = labels.numpy()[:: -1 if window.flip_vertical else 1, :: -1 if window.flip else 1]
        np.testing.assert_array_equal(plain["labels"].numpy(), expected)
        if window.flip != window.flip_vertical:
            expected = np.array([6, 1, 2, 5, 4, 3, 0, 7])[expected]
            mirrored += 1
        np.testing.assert_array_equal(made["labels"].numpy(), expected)
        assert torch.equal(made["objects"], plain["objects"])
    assert 3 < mirrored < 17
