import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from trainers.engine.options import TrainingOptions, TransformOptions
from trainers.methods.cmp.guidance import guidance_points
from trainers.methods.cmp.options import CMPOptions, CropGuidanceOptions
from trainers.methods.cmp.samples import CMPTransform


def sample_of(key: str = "a-000001", epoch: int = 0) -> dict:
    """A square moves over a background that rests."""
    flow = torch.zeros(2, 48, 64)
    flow[:, 12:36, 20:50] = torch.tensor([4.0, -2.0])[:, None, None]
    image = torch.from_numpy(np.random.default_rng(0).random((3, 48, 64), np.float32))
    points = torch.tensor([[24.0, 35.0, 12.0], [0.0, 0.0, 3.0]])
    return {"key": key, "epoch": epoch, "image": image, "flow": flow, "guidance": points, "json": {"video": "a"}}


def transform(train: bool = True, seed: int = 0, crop: int = 32, **guidance) -> CMPTransform:
    options = CMPOptions(
        guidance=CropGuidanceOptions(**{"kernel_size": 15, "grid_stride": 16} | guidance),
        transforms=TransformOptions(shorter_side=48, crop=crop, flip=True),
        training=TrainingOptions(seed=seed),
    )
    return CMPTransform(options, train)


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in ("image", "flow", "valid", "guidance"))


def test_a_sample_is_ready_to_collate():
    batch = default_collate([transform()(sample_of(key)) for key in ("a-000001", "b-000002")])
    assert list(batch) == ["key", "image", "flow", "valid", "guidance"]
    assert batch["key"] == ["a-000001", "b-000002"]
    assert {name: tuple(batch[name].shape) for name in list(batch)[1:]} == {
        "image": (2, 3, 32, 32),
        "flow": (2, 2, 32, 32),
        "valid": (2, 32, 32),
        "guidance": (2, 3, 32, 32),
    }
    assert batch["valid"].dtype == torch.bool
    assert batch["guidance"].dtype == torch.float32


def test_a_camera_s_motion_is_added_to_all_flow_that_is_known():
    sample = sample_of()
    sample["flow"][:, 20] = torch.nan
    before, moved = (transform(camera=camera)(sample) for camera in (0.0, 5.0))
    known = before["valid"]
    assert torch.equal(moved["valid"], known)
    assert not known.all()
    assert not moved["flow"][:, ~known].any()
    added = (moved["flow"] - before["flow"])[:, known].double().T.numpy()
    assert 0.01 < np.hypot(*added.T).max() <= 5
    place = np.concatenate([known.nonzero().double().numpy(), np.ones((len(added), 1))], axis=1)
    fitted = np.linalg.lstsq(place, added, rcond=None)[0]
    np.testing.assert_allclose(place @ fitted, added, atol=1e-5)  # pan, zoom and roll are linear in place
    np.testing.assert_allclose((fitted[0, 0], fitted[0, 1]), (-fitted[1, 1], fitted[1, 0]), atol=1e-6)  # no shear
    assert torch.equal(moved["guidance"][:2], moved["flow"] * moved["guidance"][2])
    again = sample_of(epoch=1)
    assert not torch.equal(transform(camera=5.0)(again)["flow"], transform(camera=5.0)(again | {"epoch": 2})["flow"])
    assert same(transform(False, camera=5.0)(sample_of()), transform(False)(sample_of()))


@pytest.mark.parametrize("points", ["watershed", "column", "random", "none"])
def test_the_guidance_is_the_crop_s_own_flow(points: str):
    made = transform(points=points)(sample_of(epoch=3))
    told = made["guidance"][2] == 1
    assert torch.equal(made["guidance"][:2], made["flow"] * told)
    assert told.sum() >= 4
    if points == "watershed":
        flow, valid = made["flow"].numpy(), made["valid"].numpy()
        expected = guidance_points(flow, valid, transform().options.guidance, np.random.default_rng(0))
        assert told.nonzero().tolist() == expected.tolist()


def test_the_column_s_points_move_with_the_image():
    """In the centre crop, 8 lines and 16 columns further up and left; the second point is outside."""
    made = transform(train=False, points="column", grid_stride=None)(sample_of())
    assert made["guidance"][2].nonzero().tolist() == [[16, 19]]
    assert made["guidance"][:, 16, 19].tolist() == [4, -2, 1]


def test_padding_is_not_told():
    made = transform(crop=80)(sample_of())
    assert made["valid"].sum() == 48 * 64
    assert made["guidance"][2].sum() > 4
    assert (made["guidance"][:, ~made["valid"]] == 0).all()


@pytest.mark.parametrize("points", ["watershed", "random"])
def test_deterministic_from_seed_epoch_and_key(points: str):
    how = {"points": points, "max_points": 3}
    first = transform(**how)(sample_of(epoch=2))
    assert same(first, transform(**how)(sample_of(epoch=2)))
    assert same(first, pickle.loads(pickle.dumps(transform(**how)))(sample_of(epoch=2)))
    assert not same(first, transform(**how)(sample_of(epoch=3)))
    assert not same(first, transform(**how)(sample_of("b-000001", 2)))
    assert not same(first, transform(seed=1, **how)(sample_of(epoch=2)))


def test_what_is_measured_on_stays_from_epoch_to_epoch():
    centred = transform(train=False, points="random", max_points=3)
    assert same(centred(sample_of(epoch=2)), centred(sample_of(epoch=7)))
    assert not same(centred(sample_of()), centred(sample_of("b-000001")))


def test_what_a_view_must_have():
    assert transform().needs == ("image", "flow")
    assert transform(points="column").needs == ("image", "flow", "guidance")
