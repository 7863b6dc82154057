import pytest
import torch
import torch.nn.functional as F

from trainers.evaluations.labelled_images.options import LabelledData
from trainers.evaluations.linear.options import LinearOptions, convolutional
from trainers.evaluations.linear.probes import Probes, resized_to
from trainers.evaluations.linear.task import Probing
from trainers.models.encoders import create_encoder
from trainers.models.layer_names import LAYERS

OPTIONS = LinearOptions(LabelledData(path="p", hold_out=0.1))


def test_layers_are_those_that_the_encoders_name():
    with torch.device("meta"):
        assert {name: tuple(create_encoder(name).layers) for name in LAYERS} == LAYERS
    assert convolutional(LAYERS["alexnet"]) == ("conv1", "conv2", "conv3", "conv4", "conv5")
    assert convolutional(LAYERS["resnet18"]) == LAYERS["resnet18"]


@pytest.mark.parametrize(
    ("channels", "side", "expected"),
    [(96, 56, 10), (256, 28, 6), (384, 14, 5), (256, 14, 6), (64, 112, 12), (2048, 28, 2), (10_000, 3, 1), (96, 4, 4)],
)
def test_activations_have_as_many_numbers_as_the_protocol_says(channels, side, expected):
    assert resized_to((1, channels, side, side), 9600) == (expected, expected)


def test_a_score_is_linear_in_the_resized_activations_of_its_layer():
    torch.manual_seed(0)
    encoder = create_encoder("resnet18").eval()
    probes = Probes(encoder, ["conv1", "layer3"], classes=4, side=48, elements=2048, normalised=False).train()
    for score in probes.scores.values():
        torch.nn.init.normal_(score.weight)
    image = torch.rand(2, 3, 48, 48)
    found = probes(image)
    with torch.no_grad():
        seen = encoder.activations(image, ["conv1", "layer3"])
    for name, size in (("conv1", 5), ("layer3", 2)):
        assert probes.sizes[name] == (size, size)
        small = F.interpolate(seen[name], (size, size), mode="bilinear", align_corners=False).flatten(1)
        torch.testing.assert_close(found[name], small @ probes.scores[name].weight.T)


def test_normalised_activations_have_no_parameters_and_only_classifiers_learn():
    probes = Probes(create_encoder("resnet18"), ["layer1"], classes=3, side=32, elements=9600, normalised=True).train()
    assert {name for name, one in probes.named_parameters() if one.requires_grad} == {
        "scores.layer1.weight",
        "scores.layer1.bias",
    }
    assert not probes.encoder.training
    assert probes.norms["layer1"].training
    normed = probes.norms["layer1"](probes.encoder.activations(torch.rand(4, 3, 32, 32), ["layer1"])["layer1"])
    torch.testing.assert_close(normed.mean(dim=(0, 2, 3)), torch.zeros(64), atol=1e-4, rtol=0)


def test_unread_images_do_not_count():
    task = Probing(OPTIONS, Probes(create_encoder("resnet18"), ["conv1"], 3, 32, 9600, normalised=False)).train()
    torch.nn.init.normal_(task.net.scores["conv1"].weight, std=0.01)
    images = torch.rand(3, 1, 3, 32, 32)
    batch = {"key": ["a", "b", "c"], "image": images, "label": torch.tensor([2, -1, 0]), "problem": ["", "damaged", ""]}
    expected = F.cross_entropy(task.net(images[[0, 2], 0])["conv1"], torch.tensor([2, 0]))
    torch.testing.assert_close(task(batch)["conv1"], expected)
    assert task(batch | {"label": torch.full((3,), -1)})["conv1"] == 0
    assert task.unread.reasons == {"b": "damaged"}
    other = Probing(OPTIONS, task.net)
    other.load_state_dict(task.state_dict())
    assert other.unread.reasons == {"b": "damaged"}
