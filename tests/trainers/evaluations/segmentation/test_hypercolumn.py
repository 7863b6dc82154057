import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pipeline.columns.flow.networks.encoders.hypercolumns import dense
from trainers.data.transforms import IGNORED, Joint
from trainers.engine.options import TransformOptions
from trainers.evaluations.segmentation import hypercolumn
from trainers.evaluations.segmentation.hypercolumn import HypercolumnSegmenter, SparseSamples
from trainers.evaluations.segmentation.options import SegmentationData, SegmentationOptions
from trainers.evaluations.segmentation.recipes import hypercolumn_layers
from trainers.evaluations.segmentation.task import Segmentation
from trainers.models.encoders import create_encoder, strided

OPTIONS = SegmentationOptions(
    SegmentationData(kind="folder", images="i", masks="m", classes=("a", "b"), hold_out=0.5), head="hypercolumn"
)


def net_of(name: str, classes: int = 3) -> HypercolumnSegmenter:
    torch.manual_seed(0)
    made = strided(create_encoder(name.split()[-1])) if "strided" in name else create_encoder(name)
    net = HypercolumnSegmenter(made, classes, hypercolumn_layers(made.name, ()), 8).eval()
    nn.init.normal_(net.score.weight)
    return net


@pytest.mark.parametrize("name", ["resnet18", "strided resnet18", "alexnet_torchvision"])
@torch.no_grad()
def test_dense_scores_are_the_sparse_ones_and_those_of_whole_hypercolumns(name, monkeypatch):
    net, image = net_of(name), torch.rand(2, 3, 35, 41)
    monkeypatch.setattr(hypercolumn, "CHUNK", 500)
    scores = net(image)
    assert scores.shape == (2, 3, 35, 41)
    points = torch.tensor([[[0, 0], [34, 40], [17, 3]], [[5, 5], [5, 5], [12, 40]]])
    for number in range(2):
        y, x = points[number].T
        torch.testing.assert_close(net.at(image, points.float())[number], scores[number, :, y, x], rtol=1e-4, atol=1e-5)
    columns = dense(net.encoder.activations(image, net.names), net.encoder.layers, image.shape[-2:])
    hidden = F.relu(net.hidden(columns.movedim(1, -1)))
    torch.testing.assert_close(net.score(hidden).movedim(-1, 1), scores, rtol=1e-3, atol=1e-4)


def sample_of(labels: np.ndarray) -> dict:
    image = torch.from_numpy(np.stack([labels / 255] * 3).astype(np.float32))
    return {"key": "a", "epoch": 0, "image": image, "labels": torch.from_numpy(labels.astype(np.int64))}


def test_samples_are_of_pixels_that_count_each_once_where_there_are_enough():
    labels = np.full((16, 16), IGNORED, np.uint8)
    labels[4:8, 2:] = np.arange(14)
    drawn = SparseSamples(Joint(TransformOptions(None, crop=16, flip=True), 0, train=True), 40)
    for epoch in range(6):
        made = drawn(sample_of(labels) | {"epoch": epoch})
        y, x = made["points"].long().T
        assert torch.equal((made["image"][0, y, x] * 255).round().long(), made["labels"]), "flipped as the image is"
        assert len({*zip(y.tolist(), x.tolist(), strict=True)}) == 40
    again = drawn(sample_of(labels) | {"epoch": 5})
    assert torch.equal(again["points"], made["points"])
    labels[4:] = IGNORED
    labels[0, :3] = 7
    few = drawn(sample_of(labels))
    assert few["labels"].tolist() == [7] * 40
    assert few["points"].unique(dim=0).shape == (3, 2)
    assert set(drawn(sample_of(np.full((16, 16), IGNORED, np.uint8)))["labels"].tolist()) == {IGNORED}


def test_the_loss_is_of_the_points_that_count():
    net = net_of("resnet18", 2)
    image, points = torch.rand(1, 3, 32, 32), torch.tensor([[[3.0, 4.0], [30.0, 1.0], [9.0, 9.0]]])
    task = Segmentation(OPTIONS, net).eval()
    loss = task({"image": image, "points": points, "labels": torch.tensor([[0, IGNORED, 1]])})["segmentation"]
    logs = net(image).log_softmax(dim=1)[0]
    torch.testing.assert_close(loss, -(logs[0, 3, 4] + logs[1, 9, 9]) / 2)
    loss.backward()
    assert all(parameter.grad is not None for parameter in task.parameters())


def test_at_first_the_head_alone_learns():
    net = net_of("resnet18", 2)
    task = Segmentation(OPTIONS, net, head_alone=True).train()
    assert net.training
    assert not any(module.training for module in net.encoder.modules())
    named = {name for name, parameter in task.named_parameters() if parameter.requires_grad}
    assert named == {f"net.{layer}.{what}" for layer in ("hidden", "score") for what in ("weight", "bias")}
    task = Segmentation(OPTIONS, net).train()
    assert all(parameter.requires_grad for parameter in task.parameters())
    assert all(module.training for module in net.modules())
