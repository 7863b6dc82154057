import numpy as np
import pytest
from scipy import ndimage

pytestmark = pytest.mark.slow  # importing ptlflow alone takes ten seconds

GREEN_ONLY = ["liteflownet", "liteflownet2", "liteflownet2_pseudoreg"]
ALL = [*GREEN_ONLY, "liteflownet3", "liteflownet3s"]


def images(batch: int, height: int = 64, width: int = 96) -> np.ndarray:
    """`(B, 2, 3, H, W)`: smooth colour images, and the same moved by some pixels."""
    noise = np.random.default_rng(0).random((batch, 3, height + 16, width + 16)).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, (0, 0, 3, 3))
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return np.stack([smooth[..., 8:-8, 8:-8], smooth[..., 6:-10, 11:-5]], axis=1)


def randomised(network):
    """Seeded weights of a size that keeps the signal, so that the images shape the flow; torch's own let it die out."""
    import torch

    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.kaiming_normal_(module.weight, a=0.1)
            if module.bias is not None:
                torch.nn.init.normal_(module.bias, 0, 0.01)
    return network


def ours(model: str):
    from pipeline.columns.flow.networks.ptlflow_models import create_network, estimator_of

    return estimator_of(randomised(create_network(model)), model)


def stock(model: str, with_our_warp: bool = False):
    """ptlflow's own model with the same weights."""
    import ptlflow

    from pipeline.columns.flow.networks.ptlflow_corrections import Warp
    from pipeline.columns.flow.networks.ptlflow_models import estimator_of

    network = randomised(ptlflow.get_model(model))
    if with_our_warp:
        for module in network.modules():
            if hasattr(module, "warp"):
                module.warp = Warp()
    return estimator_of(network, model)


def test_it_has_the_parameters_of_the_paper():
    from pipeline.columns.flow.networks.ptlflow_models import create_network

    assert sum(parameter.numel() for parameter in create_network("liteflownet").parameters()) == 5_379_613


@pytest.mark.parametrize("model", ALL)
def test_a_batch_of_four_equals_four_batches_of_one(model: str):
    frames = images(4)
    estimate = ours(model)
    alone = np.concatenate([estimate(frames[i : i + 1]) for i in range(4)])
    assert alone.std(axis=0).mean() > 0.01  # the samples differ, so that mixing them would show
    np.testing.assert_allclose(estimate(frames), alone, atol=2e-5)


@pytest.mark.parametrize("model", GREEN_ONLY)
def test_ptlflow_itself_still_mixes_samples(model: str):
    """Once this fails, ptlflow compares whole images, and `PairWarp` can go."""
    with pytest.raises(RuntimeError, match=r"size of tensor a \(3\) must match the size of tensor b \(2\)"):
        stock(model)(images(2))


@pytest.mark.parametrize("model", GREEN_ONLY)
def test_the_brightness_error_changes_colour_images_alone(model: str):
    """Where the channels are equal to the network, which subtracts a mean from each, green stands for all of them."""
    frames = images(1)
    right, green_only = ours(model), stock(model, with_our_warp=True)
    assert np.abs(right(frames) - green_only(frames)).max() > 1e-3
    means = np.array([0.411618, 0.434631, 0.454253], np.float32).reshape(3, 1, 1)  # of red, green and blue
    grey = frames[:, :, :1] * np.float32(0.5) - np.float32(0.25) + means
    np.testing.assert_allclose(right(grey), green_only(grey), atol=2e-5)


def test_liteflownet3_differs_from_ptlflows_by_its_warp_alone():
    frames = images(1)
    np.testing.assert_array_equal(ours("liteflownet3")(frames), stock("liteflownet3", True)(frames))


def test_the_brightness_error_is_the_distance_of_colours():
    """What reaches the first convolution of the regularization, for three pairs of which the second one differs."""
    import torch

    from pipeline.columns.flow.networks.ptlflow_models import create_network

    regularization = create_network("liteflownet").regularization_nets[0]
    seen = []
    regularization.feat_net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, 0]))
    pairs = torch.rand(3, 1, 3, 6, 8, generator=torch.Generator().manual_seed(0)).repeat(1, 2, 1, 1, 1)
    pairs[1, 1] += torch.tensor([0.1, 0.2, 0.2])[:, None, None]
    regularization(pairs, torch.zeros(3, 2, 192, 6, 8), torch.zeros(3, 2, 6, 8))
    torch.testing.assert_close(seen[0], torch.tensor([0, 0.3, 0])[:, None, None].expand(3, 6, 8), atol=1e-5, rtol=0)


def test_the_warp_follows_the_flow_and_is_zero_outside():
    """SciPy's bilinear interpolation is the oracle; the flow comes in units, as ptlflow passes it."""
    import torch

    from pipeline.columns.flow.networks.ptlflow_corrections import Warp

    rng = np.random.default_rng(1)
    image = rng.random((2, 3, 9, 13))
    flow = rng.normal(0, 3, (2, 2, 9, 13))
    flow[:, :, 0] = 0  # positions exactly on the border are inside
    units = 0.625
    arguments = (torch.from_numpy(image).float(), torch.from_numpy(flow * units).float(), 9, 13, units)
    warped = Warp()(*arguments).numpy()
    rows, columns = np.indices((9, 13))
    for sample in range(2):
        y, x = rows + flow[sample, 1], columns + flow[sample, 0]
        inside = (y >= 0) & (y <= 8) & (x >= 0) & (x <= 12)
        assert 0.2 < inside.mean() < 1
        for channel in range(3):
            expected = ndimage.map_coordinates(image[sample, channel], [y, x], order=1, mode="nearest") * inside
            np.testing.assert_allclose(warped[sample, channel], expected, atol=1e-5)


def test_ptlflows_warp_loses_pixels_inside_the_frame():
    """Once this fails, ptlflow's warp no longer depends on rounding, and `Warp` can go."""
    import torch

    from pipeline.columns.flow.networks.ptlflow_corrections import Warp, WarpingLayer

    ones = torch.ones(1, 1, 64, 96)
    flow = torch.rand(1, 2, 64, 96, generator=torch.Generator().manual_seed(0)) * 0.9
    inner = (..., slice(0, 62), slice(0, 94))
    assert (WarpingLayer()(ones, flow, 64, 96, 1.0)[inner] == 0).float().mean() > 0.005
    assert (Warp()(ones, flow, 64, 96, 1.0)[inner] > 0.999).all()


def test_the_gpu_agrees_with_the_cpu_and_with_itself(monkeypatch: pytest.MonkeyPatch):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    pairs = images(3)
    estimate = ours("liteflownet")
    found = estimate(pairs)
    np.testing.assert_array_equal(estimate(pairs), found)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    np.testing.assert_allclose(found, ours("liteflownet")(pairs), atol=1e-3)
