"""Deep matching from images to matches and flow."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor

from common_fate.errors import SampleError, UserError
from pipeline.columns.flow import create_estimator
from pipeline.columns.flow.networks import create_network
from pipeline.columns.flow.networks.matching import deep_matching
from pipeline.columns.flow.networks.matching.deep_matching import DeepMatching, create
from pipeline.columns.flow.networks.matching.descriptors import (
    Convolutions,
    EncoderLayer,
    OrientedGradients,
    create_descriptor,
)

SMALL = {"levels": 4, "radius": 24}
SINTEL = Path(__file__).parents[7] / "shared/data/sintel_more/market_5_final"


def textured(height: int, width: int) -> np.ndarray:
    """Blobs of several sizes, `(H, W, 3)` in [0, 1]."""
    generator = np.random.default_rng(0)
    layers = [cv2.GaussianBlur(generator.normal(size=(height, width, 3)), (0, 0), size) * size for size in (1.5, 4, 9)]
    image = sum(layers)
    return ((image - image.min()) / np.ptp(image)).astype(np.float32)


def tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def shifted_pair(right: int, down: int) -> tuple[Tensor, Tensor]:
    image = textured(160, 180)
    return tensor(image[40:104, 40:136]), tensor(image[40 - down : 104 - down, 40 - right : 136 - right])


ENCODER = {"descriptor": "encoder", "encoder": "resnet18", "layer": "layer1"}


@pytest.mark.parametrize("descriptor", ["gradients", "convolutions"])
def test_a_shifted_image_is_matched_where_it_went_wherever_that_is_in_sight(descriptor: str):
    torch.manual_seed(0)
    matches = create({**SMALL, "descriptor": descriptor}).match(*shifted_pair(17, -11))
    x, y = matches.points()
    visible = (x + 17 < 96 - 4) & (y - 11 >= 4)
    assert visible.mean() > 0.5
    error = abs(matches.flow - np.array([17, -11])[:, None, None]).max(axis=0)[visible]
    assert error.max() <= 1  # convolutions see the end of one image, where the other goes on
    assert (error == 0).mean() > 0.95
    assert matches.verified[visible].all()
    landed = (x + matches.flow[0], y + matches.flow[1])
    inside = (landed[0] >= 0) & (landed[0] < 96) & (landed[1] >= 0) & (landed[1] < 64)
    assert not matches.verified[~inside].any()


def test_a_radius_beyond_the_image_finds_what_one_to_its_ends_does():
    pair = shifted_pair(17, -11)
    found, expected = (
        create({"levels": 2, "radius": radius, "descriptor": "gradients"}).match(*pair) for radius in (144, 96)
    )
    np.testing.assert_array_equal(found.flow, expected.flow)
    np.testing.assert_array_equal(found.verified, expected.verified)
    assert found.verified.mean() > 0.5


def test_a_match_is_verified_where_no_other_point_has_a_better_score_there():
    net = create({"levels": 2, "radius": 6, "alpha": 4, "beta": 2, "delta": 4, "descriptor": "gradients"})
    this, following = shifted_pair(2, 1)
    matches = net.match(this, following)
    _, (decoded, *_) = net.scores(this[None], following[None])
    best: dict[tuple[int, int], float] = {}
    for row, column, down, right in np.ndindex(decoded.shape[1:]):
        at = (2 + 4 * row + down - 6, 2 + 4 * column + right - 6)
        best[at] = max(best.get(at, -np.inf), decoded[0, row, column, down, right].item())
    for row, column in np.ndindex(matches.score.shape):
        x, y = matches.points()[:, row, column] + matches.flow[:, row, column]
        inside = 0 <= y < 64 and 0 <= x < 96
        assert matches.score[row, column] == decoded[0, row, column].max()
        assert matches.verified[row, column] == (inside and matches.score[row, column] == best[int(y), int(x)])


def test_what_does_not_fit_in_memory_is_computed_twice_and_the_same(monkeypatch: pytest.MonkeyPatch):
    net, pair = create(SMALL), shifted_pair(5, 3)
    kept = net.match(*pair)
    monkeypatch.setattr(deep_matching, "_KEPT", 0)
    monkeypatch.setattr(deep_matching, "_BLOCK", 3)
    blocks = net.match(*pair)
    for name in ("flow", "score", "verified"):
        np.testing.assert_array_equal(getattr(blocks, name), getattr(kept, name))


def test_nothing_but_descriptors_is_nothing_but_descriptors():
    net, (this, following) = create(SMALL), shifted_pair(5, 3)
    nearest = net.match(this, following, pyramid=False)
    describe = OrientedGradients()
    reference, target = describe(this[None])[0], describe(following[None])[0]
    for row, column in ((3, 5), (4, 8)):
        y, x = 4 + 8 * row, 4 + 8 * column
        scores = torch.einsum("c,chw->hw", reference[:, y, x], target)
        around = scores[max(0, y - 24) : y + 25, max(0, x - 24) : x + 25]
        assert nearest.score[row, column] == pytest.approx(around.max().item(), abs=1e-5)


def test_gradients_of_an_edge_point_across_it():
    image = torch.zeros(1, 3, 24, 24)
    image[..., 12:] = 1
    described = OrientedGradients()(image).view(16, 9, 24, 24)
    assert described.norm(dim=(0, 1))[2:-1, 2:-1].allclose(torch.ones(21, 21), atol=1e-5)
    pixel = described[10, :, 12, 12] * 4  # the tenth of 16 is two pixels after the patch's start: this pixel itself
    assert pixel.argmax() == 0  # to the right
    assert pixel[1].item() == pytest.approx(pixel[7].item(), abs=1e-6)
    assert pixel[3:6].max() < 1e-6
    flat = described[10, :, 12, 3] * 4
    assert flat[8].item() == pytest.approx(1, abs=1e-6)


def test_convolutions_are_torchvisions_vgg_at_every_pixel():
    torch.manual_seed(0)
    ours, theirs = Convolutions(), torchvision.models.vgg16(weights=None).features[:9]
    assert sorted(ours.state_dict()) == sorted(f"features.{name}" for name in theirs.state_dict())
    theirs.load_state_dict({name.removeprefix("features."): weight for name, weight in ours.state_dict().items()})
    image = torch.rand(1, 3, 32, 32)
    normalised = torchvision.transforms.functional.normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = torch.nn.functional.normalize(theirs(normalised), dim=1)
        torch.testing.assert_close(ours(image)[..., ::2, ::2], expected, atol=1e-5, rtol=1e-4)


def test_a_large_image_is_matched_at_half_its_size():
    pair = [torch.nn.functional.interpolate(one[None], scale_factor=2, mode="nearest")[0] for one in shifted_pair(5, 3)]
    whole, half = create({**SMALL, "longest": 192}), create({**SMALL, "longest": 96})
    small = whole.match(*shifted_pair(5, 3))
    large = half.match(*pair)
    np.testing.assert_array_equal(large.flow, 2 * small.flow)
    np.testing.assert_array_equal(large.verified, small.verified)
    np.testing.assert_array_equal(large.points(), 2 * small.points())
    assert whole.match(*pair).score.shape == (16, 24)


@pytest.mark.parametrize(
    ("height", "width", "factor"), [(480, 640, 1), (641, 100, 2), (436, 1024, 2), (720, 1280, 2), (1080, 1920, 4)]
)
def test_images_are_halved_until_no_side_is_too_long(height: int, width: int, factor: int):
    assert create({}).grid.reduction(height, width) == factor


@pytest.mark.parametrize("size", [(4, 40), (1, 1), (40, 3)])
def test_an_image_without_a_point_is_a_failed_sample(size: tuple[int, int]):
    with pytest.raises(SampleError, match="too small for deep matching"):
        create_estimator("matching")(np.zeros((1, 2, 3, *size), np.float32))


def test_a_descriptor_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="descriptor is 'sift': should be gradients, convolutions or encoder"):
        create_descriptor("sift", {})


@pytest.mark.parametrize(("encoder", "layer"), [("resnet18", "layer2"), ("vgg16", "conv2"), ("alexnet", "pool1")])
def test_a_layer_of_an_encoder_describes_every_pixel_by_what_lies_around(encoder: str, layer: str):
    torch.manual_seed(0)
    described = create_descriptor("encoder", {"encoder": encoder, "layer": layer})
    assert isinstance(described, EncoderLayer)
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        found = described(images)
        there = described.encoder.activations(images, [layer])[layer]
    stride, offset = described.encoder.layers[layer].stride, described.encoder.layers[layer].offset
    assert found.shape == (2, there.shape[1], 64, 96)
    assert (found >= 0).all()
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2, 64, 96))
    for y, x in ((21, 40), (30, 51), (8, 16)):
        (top, down), (left, right) = (divmod((place - offset) / stride, 1) for place in (y, x))
        rows, columns = slice(int(top), int(top) + 2), slice(int(left), int(left) + 2)
        around = there[:, :, rows, columns] * torch.tensor([[1 - down], [down]]) * torch.tensor([1 - right, right])
        expected = torch.nn.functional.normalize(around.sum((2, 3)), dim=1)
        torch.testing.assert_close(found[:, :, y, x], expected, atol=1e-4, rtol=1e-4)


def test_what_lies_behind_the_layer_is_neither_trained_nor_run():
    net = create({**SMALL, **ENCODER})
    assert net.encoder is not None
    net.encoder.layer2 = torch.nn.Identity()
    net.encoder.layer3 = torch.nn.Softmax(dim=9)  # would raise
    net.train().match(*shifted_pair(3, 2))
    assert not net.encoder.training
    learnt = {name.partition(".")[0] for name, weight in net.encoder.named_parameters() if weight.requires_grad}
    assert learnt == {"conv1", "bn1", "layer1"}


def test_an_encoder_finds_where_a_shifted_image_went_between_its_strides():
    torch.manual_seed(0)
    matches = create({**SMALL, **ENCODER}).match(*shifted_pair(17, -11))
    x, y = matches.points()
    visible = (x + 17 < 96 - 16) & (y - 11 >= 16) & (y < 64 - 16) & (x >= 16)
    error = abs(matches.flow - np.array([17, -11])[:, None, None]).max(axis=0)[visible]
    assert error.size > 10
    assert (error <= 2).mean() > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "resnet18", "layer": "layer9"}, "resnet18 has no layer layer9"),
        ({"encoder": "resnet19", "layer": "layer1"}, "encoder is 'resnet19'"),
        ({"encoder": "resnet18"}, "layer"),
    ],
)
def test_an_encoder_or_layer_that_there_is_not_is_one_line(options: dict[str, str], message: str):
    with pytest.raises(UserError, match=message):
        create_network("matching", {"descriptor": "encoder", **options})


@pytest.mark.parametrize("textured_columns", [slice(54, 74), slice(0, 64)])
def test_what_has_no_texture_goes_with_what_has(textured_columns: slice):
    """A plain wall has no motion of its own."""
    image = np.full((128, 128, 3), 0.5, np.float32)
    image[:, textured_columns] = textured(128, 128)[:, textured_columns]
    frames = np.stack([image.transpose(2, 0, 1)] * 2)[None]
    assert abs(create_estimator("matching")(frames)).max() == 0


def test_an_image_without_any_texture_has_no_flow():
    with pytest.raises(SampleError, match="too few matches for deep matching"):
        create_estimator("matching")(np.full((1, 2, 3, 64, 64), 0.5, np.float32))


def test_the_estimator_gives_the_flow_of_a_moved_image_and_always_the_same():
    frames = torch.stack(shifted_pair(17, -11))[None].numpy()
    flow = create_estimator("matching")(frames)
    assert flow.shape == (1, 2, 64, 96)
    assert np.median(abs(flow[0, 0] - 17)) < 0.5
    assert np.median(abs(flow[0, 1] + 11)) < 0.5
    np.testing.assert_array_equal(flow, create_estimator("matching")(frames))


@pytest.mark.skipif(not SINTEL.is_dir(), reason="needs ../shared/data/sintel_more")
def test_the_pyramid_matches_film_better_than_descriptors_alone():
    frames = [cv2.imread(str(SINTEL / f"frame_{number:04d}.png"))[..., ::-1] for number in _numbers()]
    small = [
        tensor(cv2.resize(frame, (256, 109), interpolation=cv2.INTER_AREA).astype(np.float32) / 255) for frame in frames
    ]
    coded = cv2.imread(str(next(SINTEL.glob("flow_*.png"))), cv2.IMREAD_UNCHANGED)[..., :0:-1].astype(np.float32)
    truth = cv2.resize((coded - 32768) / 64, (256, 109)).transpose(2, 0, 1) / 4
    net: DeepMatching = create({"radius": 40})
    error = {}
    for pyramid in (True, False):
        matches = net.match(*small, pyramid=pyramid)
        x, y = matches.points().astype(int)
        error[pyramid] = np.linalg.norm(matches.flow - truth[:, y, x], axis=0)
    assert (error[True] < 5).mean() > (error[False] < 5).mean() + 0.1


def _numbers() -> tuple[int, int]:
    number = int(next(SINTEL.glob("flow_*.png")).stem[-4:])
    return number, number + 1
