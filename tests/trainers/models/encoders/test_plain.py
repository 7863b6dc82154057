"""torchvision's plain networks, fully convolutional, and batch normalisation that is absorbed into them."""

import pytest
import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from trainers.models.encoders import Norms, create_encoder, load_encoder, save_encoder

NETWORKS = {"alexnet_torchvision": torchvision.models.alexnet, "vgg16_torchvision": torchvision.models.vgg16}
SIDE = 224


def image(side: int = SIDE) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))


def normalised(images: Tensor) -> Tensor:
    return torchvision.transforms.functional.normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def torchvisions(name: str, weights: dict[str, Tensor]) -> nn.Module:
    """Its model with weights of ours, all but those of its last layer."""
    with torch.device("meta"):
        net = NETWORKS[name]()
    missing, unexpected = net.load_state_dict(weights, strict=False, assign=True)
    assert (missing, unexpected) == (["classifier.6.weight", "classifier.6.bias"], [])
    return net.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_middle_of_an_image_is_what_torchvision_computes(name):
    encoder = create_encoder(name).eval()
    net = torchvisions(name, encoder.state_dict())
    with torch.inference_mode():
        mine = encoder.activations(image(), ["pool5"])["pool5"]
        torch.testing.assert_close(mine, net.features(normalised(image())))
        before = net.classifier[:-1](net.avgpool(mine).flatten(1))
        torch.testing.assert_close(encoder(image())[32][:, :, 3, 3], before, rtol=1e-3, atol=1e-5)


def test_torchvisions_file_is_loaded_and_the_last_layer_left_out(tmp_path):
    net = torchvision.models.alexnet()
    torch.save(net.state_dict(), tmp_path / "alexnet.pth")
    encoder = load_encoder(tmp_path / "alexnet.pth", "alexnet_torchvision")
    assert torch.equal(encoder.state_dict()["classifier.4.weight"], net.classifier[4].weight)
    with pytest.raises(Exception, match="the encoder in it is alexnet_torchvision, not resnet18"):
        load_encoder(tmp_path / "alexnet.pth", "resnet18")


@pytest.mark.parametrize("side", [1, 33, 65])
def test_features_are_the_image_over_32_rounded_up(side):
    encoder = create_encoder("alexnet_torchvision").eval()
    with torch.inference_mode():
        assert encoder(image(side))[32].shape == (1, 4096, -(-side // 32), -(-side // 32))


def test_absorbed_normalisations_change_nothing_and_load_into_torchvision(tmp_path):
    torch.manual_seed(0)
    encoder = create_encoder("alexnet_torchvision")
    norms = Norms(encoder)
    assert (len(norms.each), list(norms.parameters())) == (7, [])
    with torch.no_grad(), norms.within(encoder):
        plain = encoder.eval()(image(96))[32]
        encoder.train()
        for _ in range(5):
            encoder(image(96) * torch.rand(()))
        norms.eval(), encoder.eval()
        expected = encoder(image())[32]
    assert not any(module._forward_hooks for module in encoder.modules())
    with torch.no_grad():
        without = encoder(image())[32]
        norms.absorb(encoder)
        found = encoder(image())[32]
        with norms.within(encoder):
            again = encoder(image())[32]
    assert plain.shape == (1, 4096, 3, 3)
    assert not torch.allclose(without, expected, atol=1e-3)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(again, expected, rtol=1e-3, atol=1e-3)
    save_encoder(tmp_path / "encoder.safetensors", encoder)
    net = torchvisions("alexnet_torchvision", load_file(tmp_path / "encoder.safetensors"))
    with torch.no_grad():
        features = net.classifier[:-1](net.avgpool(net.features(normalised(image()))).flatten(1))
    torch.testing.assert_close(features, expected[:, :, 3, 3], rtol=1e-3, atol=1e-3)


def test_an_encoder_with_normalisations_keeps_their_weights_at_1_and_0():
    encoder = create_encoder("resnet18")
    norms = Norms(encoder)
    assert not len(norms.each)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert not any(parameter.requires_grad for parameter in module.parameters())
            assert module.weight.unique().tolist() == [1]
            assert module.bias.unique().tolist() == [0]
    norms.absorb(encoder)
    assert encoder.conv1.weight.requires_grad
