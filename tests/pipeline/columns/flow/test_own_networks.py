"""The flow networks that are trained here: their parameters, and what must not depend on the batch or the order."""

import numpy as np
import pytest
import torch

from common_fate.errors import UserError
from pipeline.columns.flow.estimator_families import SHIPPED
from pipeline.columns.flow.networks import create_network
from pipeline.columns.flow.networks.inference import estimator_of
from pipeline.columns.flow.networks.selflow import SelFlow
from pipeline.columns.flow.networks.trained import trained_estimator
from pipeline.columns.flow.networks.trained_file import read_about
from pipeline.sources.synthetic import SOURCE, SyntheticOptions

NETWORKS = [("selflow", {}, 3), ("selflow", {"frames": 2}, 2), ("liteflownet", {}, 2), ("small", {}, 2)]


def frames(batch: int, count: int) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(batch, count, 3, 64, 128)


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("selflow", {"frames": 3}, 4_790_876),
        ("selflow", {"frames": 2}, 4_273_628),
        ("liteflownet", {}, 5_379_613),
    ],
)
def test_a_network_has_the_published_number_of_parameters(name, options, parameters):
    assert sum(each.numel() for each in create_network(name, options).parameters()) == parameters


def test_the_small_network_is_small():
    assert sum(each.numel() for each in create_network("small", {}).parameters()) <= 2_000_000


@pytest.mark.parametrize(("name", "options", "count"), NETWORKS)
def test_a_batch_equals_its_samples_one_by_one(name, options, count):
    torch.manual_seed(1)
    network = create_network(name, options).eval()
    images = frames(4, count)
    with torch.inference_mode():
        together, one_by_one = network(images), torch.cat([network(image[None]) for image in images])
    assert together.shape == (4, 2, 64, 128)
    torch.testing.assert_close(together, one_by_one, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "options", "count"), NETWORKS)
def test_every_parameter_is_trained(name, options, count):
    torch.manual_seed(1)
    network = create_network(name, options)
    network(frames(1, count)).square().mean().backward()
    assert all(each.grad is not None and each.grad.any() for each in network.parameters())


def test_each_level_of_the_small_network_can_be_taught_by_itself():
    torch.manual_seed(1)
    network = create_network("small", {})
    *_, last, _whole = network.levels(frames(1, 2))
    last.square().mean().backward()
    assert [decoder.flow.weight.grad is not None for decoder in network.decoders] == [True, False, False, False]


@pytest.mark.parametrize(("name", "options", "count"), NETWORKS)
def test_mixed_precision_rounds_features_and_no_flow(name, options, count):
    """Of 8 bits, flow of 300 pixels would be whole pixels, and places beyond 256 every other one."""
    torch.manual_seed(1)
    network = create_network(name, options)
    images = frames(1, count)
    exact = network(images).detach()
    with torch.autocast("cpu", torch.bfloat16):
        flow = network(images)
    assert flow.dtype == torch.float32
    assert not torch.equal(flow, flow.bfloat16().float())
    torch.testing.assert_close(flow, exact, atol=0.05 * exact.abs().max().item(), rtol=0.05)
    flow.square().mean().backward()
    assert all(each.grad is None or each.grad.isfinite().all() for each in network.parameters())


def test_time_that_runs_backwards_exchanges_the_directions_of_three_frames():
    torch.manual_seed(1)
    network = SelFlow(3).eval()
    images = frames(2, 3)
    with torch.inference_mode():
        forward, backward = network.directions(images)
        turned = network.directions(images.flip(1))
    torch.testing.assert_close(turned[0], backward, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(turned[1], forward, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "options", "count"), NETWORKS)
def test_frames_smaller_than_the_pyramid_are_padded(name, options, count):
    torch.manual_seed(1)
    flow = estimator_of(create_network(name, options), name)(frames(2, count)[..., :17, :23].numpy())
    assert flow.shape == (2, 2, 17, 23)
    assert np.isfinite(flow).all()


@pytest.mark.parametrize(("axis", "component"), [(-1, 0), (-2, 1)])
def test_mirrored_frames_give_mirrored_flow(axis: int, component: int):
    """Mirroring changes the flow of a trained network by less than what it is off by anyway."""
    estimate = trained_estimator(SHIPPED)
    apart, off = [], []
    for video in SOURCE.videos(SyntheticOptions(videos=8, frames=3, height=192, width=256, seed=77), ""):
        images = np.stack([frame.image for frame in SOURCE.read(video, range(3))]).transpose(0, 3, 1, 2)
        given = images[None, -read_about(SHIPPED).frames :] / np.float32(255)
        truth = SOURCE.truth(video, 1, 2)
        visible = truth.valid & ~truth.occlusion
        flow, mirrored = estimate(given)[0], np.flip(estimate(np.flip(given, axis))[0], axis).copy()
        mirrored[component] *= -1
        for means, difference in ((apart, mirrored - flow), (off, flow - truth.flow)):
            means.append(np.linalg.norm(difference, axis=0)[visible].mean())
    assert np.mean(off) < 1
    assert np.mean(apart) < np.mean(off)


def test_options_that_a_network_does_not_have_are_refused():
    with pytest.raises(UserError, match="the network small cannot be made with"):
        create_network("small", {"frames": 3})
    with pytest.raises(UserError, match="frames is 4: 2 or 3"):
        create_network("selflow", {"frames": 4})


@pytest.mark.slow  # imports ptlflow
def test_liteflownet_reads_the_weights_of_ptlflow_and_gives_its_flow():
    from pipeline.columns.flow.networks.ptlflow_models import ptlflow_network

    torch.manual_seed(2)
    theirs = ptlflow_network({"model": "liteflownet"}).eval()
    for module in theirs.modules():  # of a size that keeps the signal, so that the images shape the flow
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.kaiming_normal_(module.weight, a=0.1)
    ours = create_network("liteflownet", {}).eval()
    ours.load_state_dict(theirs.network.state_dict(), strict=True)
    images = frames(2, 2)
    with torch.inference_mode():
        expected, found = theirs(images), ours(images)
    scale = expected.abs().max().item()
    assert scale > 1
    torch.testing.assert_close(found, expected, atol=1e-4 * scale, rtol=1e-3)
