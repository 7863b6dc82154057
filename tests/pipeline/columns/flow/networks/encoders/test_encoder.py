import pytest
import torch

from pipeline.columns.flow.networks.encoders import StridedResNet, create_encoder

CHANNELS = {
    "resnet50": {2: 64, 4: 256, 8: 2048},
    "resnet34": {2: 64, 4: 64, 8: 512},
    "resnet18": {2: 64, 4: 64, 8: 512},
    "vgg16": {2: 128, 4: 256, 8: 512},
    "alexnet": {32: 4096},
}


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
def test_features_are_the_image_over_their_stride_rounded_up(name, size):
    encoder = create_encoder(name).eval()
    with torch.inference_mode():
        features = encoder(torch.rand(1, 3, *size))
    assert encoder.name == name
    assert encoder.channels == CHANNELS[name]
    assert encoder.stride == max(CHANNELS[name]) == list(features)[-1]
    for stride, channels in CHANNELS[name].items():
        assert features[stride].shape == (1, channels, -(-size[0] // stride), -(-size[1] // stride))


def test_the_image_is_normalised_inside_and_the_weights_know_nothing_of_it():
    encoder = create_encoder("resnet18").eval()
    seen = []
    encoder.conv1.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    grey = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    encoder(grey)
    encoder(grey + torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
    torch.testing.assert_close(seen[0], torch.zeros(1, 3, 16, 16))
    torch.testing.assert_close(seen[1], torch.ones(1, 3, 16, 16), atol=1e-5, rtol=0)
    assert not [name for name in encoder.state_dict() if "mean" in name.split(".") or "deviation" in name]


def test_an_unknown_encoder_is_named():
    with pytest.raises(
        ValueError, match=r"encoder is 'resnet51': should be one of resnet50, resnet34, resnet18, resnet18_c4, vgg16"
    ):
        create_encoder("resnet51")


LAYERS = {
    "resnet18": [("conv1", 64, 2), ("layer1", 64, 4), ("layer2", 128, 8), ("layer3", 256, 8), ("layer4", 512, 8)],
    "resnet18_c4": [("conv1", 64, 2), ("layer1", 64, 4), ("layer2", 128, 8), ("layer3", 256, 8)],
    "vgg16": [
        *[("conv1", 64, 1), ("pool1", 64, 2), ("conv2", 128, 2), ("pool2", 128, 4), ("conv3", 256, 4)],
        *[("pool3", 256, 8), ("conv4", 512, 8), ("pool4", 512, 8), ("conv5", 512, 8), ("pool5", 512, 8)],
    ],
    "alexnet": [
        *[("conv1", 96, 4), ("pool1", 96, 8), ("conv2", 256, 8), ("pool2", 256, 16), ("conv3", 384, 16)],
        *[("conv4", 384, 16), ("conv5", 256, 16), ("pool5", 256, 32), ("fc6", 4096, 32), ("fc7", 4096, 32)],
    ],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_the_names_of_the_papers_and_are_active_after_their_relu(name):
    encoder, image = create_encoder(name).eval(), torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        activations = encoder.activations(image, encoder.layers)
        deepest = encoder(image)[encoder.stride]
    for layer, channels, stride in LAYERS[name]:
        assert activations[layer].shape == (1, channels, 64 // stride, 96 // stride)
        assert activations[layer].min() >= 0
    assert list(encoder.layers) == list(activations) == [layer for layer, *_ in LAYERS[name]]
    torch.testing.assert_close(activations[LAYERS[name][-1][0]], deepest, rtol=0, atol=0)
    assert not any(module._forward_hooks for module in encoder.modules())


def test_a_strided_resnet_has_the_layers_it_computes_and_no_others():
    encoder = StridedResNet("resnet18", 8)
    assert list(encoder.layers) == ["conv1", "layer1", "layer2"]
    with pytest.raises(ValueError, match="resnet18 has no layer layer4: should be one of conv1, layer1, layer2"):
        encoder.activations(torch.rand(1, 3, 64, 64), ["layer4"])
