"""Our encoders against torchvision's and timm's own models, with the same weights."""

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from pipeline.columns.flow.networks.encoders import Encoder, StridedResNet, create_encoder

# The 3x3 convolutions and the shortcut of the two dilated groups, spelled out.
RESNET = {
    "resnet50": {"blocks": (6, 3), "strided": "conv2", "convolutions": ("conv2",)},
    "resnet34": {"blocks": (6, 3), "strided": "conv1", "convolutions": ("conv1", "conv2")},
    "resnet18": {"blocks": (2, 2), "strided": "conv1", "convolutions": ("conv1", "conv2")},
}


@pytest.fixture
def image() -> Tensor:
    return torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def normalised(image: Tensor) -> Tensor:
    return torchvision.transforms.functional.normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def varied(encoder: Encoder) -> Encoder:
    """In evaluation mode, with statistics in the normalisations that tell them from doing nothing."""
    generator = torch.Generator().manual_seed(1)
    for layer in encoder.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.copy_(torch.randn(layer.running_mean.shape, generator=generator) / 10)
            layer.running_var.copy_(torch.rand(layer.running_var.shape, generator=generator) + 0.5)
    return encoder.eval()


def dilated(net: nn.Module, name: str) -> nn.Module:
    """A strided ResNet at stride 8, with dilations 2 and 4 for conv4_x and conv5_x (appendix A)."""
    facts = RESNET[name]
    for group, dilation, blocks in (("layer3", 2, facts["blocks"][0]), ("layer4", 4, facts["blocks"][1])):
        for number in range(blocks):
            for convolution in facts["convolutions"]:
                layer = net.get_submodule(f"{group}.{number}.{convolution}")
                layer.dilation = layer.padding = (dilation, dilation)
        net.get_submodule(f"{group}.0.{facts['strided']}").stride = (1, 1)
        net.get_submodule(f"{group}.0.downsample.0").stride = (1, 1)
    return net


@pytest.mark.parametrize("name", RESNET)
def test_resnets_are_torchvisions_at_stride_8(name, image):
    encoder = varied(create_encoder(name))
    net = getattr(torchvision.models, name)(weights=None)
    net.fc = nn.Identity()
    net.load_state_dict(encoder.state_dict(), strict=True)
    net = dilated(net, name).eval()
    with torch.inference_mode():
        halved = net.relu(net.bn1(net.conv1(normalised(image))))
        quartered = net.layer1(net.maxpool(halved))
        last = net.layer4(net.layer3(net.layer2(quartered)))
        for mine, theirs in zip(encoder(image).values(), (halved, quartered, last), strict=True):
            torch.testing.assert_close(mine, theirs)


def test_resnet50_is_timms_at_stride_8(image):
    encoder = varied(create_encoder("resnet50"))
    net = timm.create_model("resnet50", num_classes=0, pretrained=False)
    net.load_state_dict(encoder.state_dict(), strict=True)
    with torch.inference_mode():
        torch.testing.assert_close(
            encoder(image)[8], dilated(net, "resnet50").eval().forward_features(normalised(image))
        )


@pytest.mark.parametrize(("name", "stride"), [("resnet18", 16), ("resnet50", 32)])
def test_strided_resnets_are_torchvisions_with_the_dilated_ones_weights(name, stride, image):
    encoder = varied(StridedResNet(name, stride))
    create_encoder(name).load_state_dict(encoder.state_dict(), strict=True)
    net = getattr(torchvision.models, name)(weights=None)
    net.fc = nn.Identity()
    net.load_state_dict(encoder.state_dict(), strict=True)
    net.eval()
    with torch.inference_mode():
        found, last = encoder(image), net.relu(net.bn1(net.conv1(normalised(image))))
        expected = {2: last}
        last = net.maxpool(last)
        for number in range(1, 5):
            expected[2 ** (number + 1)] = last = net.get_submodule(f"layer{number}")(last)
    assert list(found) == list(encoder.channels) == [one for one in expected if one <= stride]
    assert encoder.stride == stride
    for one, features in found.items():
        assert features.shape[1] == encoder.channels[one]
        torch.testing.assert_close(features, expected[one])
    for number in range(1, 5):
        trained = all(weights.requires_grad for weights in encoder.get_submodule(f"layer{number}").parameters())
        assert trained == (2 ** (number + 1) <= stride)


def test_a_stride_or_a_resnet_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="stride is 2: should be one of 4, 8, 16, 32"):
        StridedResNet("resnet18", 2)
    with pytest.raises(ValueError, match="encoder is 'vgg16': should be one of resnet18, resnet34, resnet50"):
        StridedResNet("vgg16")


def test_every_fourth_feature_of_vgg_is_the_strided_networks(image):
    encoder = varied(create_encoder("vgg16"))
    net = torchvision.models.vgg16_bn(weights=None)
    net.load_state_dict(encoder.state_dict(), strict=False)
    net = net.features.eval()
    with torch.inference_mode():
        mine = encoder(image)
        torch.testing.assert_close(mine[8][..., 2::4, 2::4], net(normalised(image)))
        torch.testing.assert_close(mine[4], net[:23](normalised(image)))
        torch.testing.assert_close(mine[2], net[:13](normalised(image)))


def test_alexnet_drops_out_while_it_trains_only(image):
    encoder = varied(create_encoder("alexnet"))
    with torch.inference_mode():
        assert torch.equal(encoder(image)[32], encoder(image)[32])
        for layer in encoder.modules():
            if isinstance(layer, nn.Dropout):
                layer.train()
        assert (encoder(image)[32] == 0).float().mean() > 0.5  # half of what the ReLU lets through is dropped, too
        assert not torch.equal(encoder(image)[32], encoder(image)[32])


def test_alexnet_is_seven_convolutions_and_three_pools(image):
    encoder = varied(create_encoder("alexnet"))
    weights = encoder.state_dict()
    expected = normalised(image)
    for name, stride, pooled in (
        ("conv1", 4, True),
        ("conv2", 1, True),
        ("conv3", 1, False),
        ("conv4", 1, False),
        ("conv5", 1, True),
        ("fc6", 1, False),
        ("fc7", 1, False),
    ):
        kernel = weights[f"{name}.0.weight"]
        expected = functional.conv2d(
            expected, kernel, weights[f"{name}.0.bias"], stride, padding=len(kernel[0, 0]) // 2
        )
        statistics = (weights[f"{name}.1.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        expected = functional.batch_norm(expected, *statistics).relu()
        expected = functional.max_pool2d(expected, 3, 2, 1) if pooled else expected
    with torch.inference_mode():
        torch.testing.assert_close(encoder(image)[32], expected)
