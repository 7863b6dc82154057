import pytest

from pipeline.columns.flow.networks.encoders.create import ENCODERS
from trainers.models.encoders import create_encoder
from trainers.models.layer_names import LAYERS, check_layers


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "resnet50", "vgg16", "alexnet_torchvision"])
def test_the_names_are_the_encoders_own(name: str):
    assert tuple(create_encoder(name).layers) == LAYERS[name]


def test_every_encoder_has_names():
    assert LAYERS.keys() == ENCODERS.keys()


def test_a_layer_that_an_encoder_lacks_is_named():
    check_layers("resnet18", ["conv1", "layer4"])
    with pytest.raises(ValueError, match="layers: resnet18 has no layer 'fc7': should be some of conv1, layer1"):
        check_layers("resnet18", ["layer1", "fc7"])
