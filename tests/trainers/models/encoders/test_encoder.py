import pytest
import torch

from trainers.models.encoders import create_encoder

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
        ValueError, match=r"encoder is 'resnet51': should be one of resnet50, resnet34, resnet18, vgg16"
    ):
        create_encoder("resnet51")
