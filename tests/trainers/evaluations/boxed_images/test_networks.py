"""Detectors on this project's encoders, against torchvision's own and the encoders' own layers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops import FrozenBatchNorm2d

from pipeline.columns.flow.networks.encoders.encoder import DEVIATION, MEAN
from trainers.evaluations.boxed_images.networks import Pyramid, Resize, fast_rcnn, faster_rcnn, mask_rcnn, strided
from trainers.evaluations.boxed_images.options import BoxedData, DetectorOptions
from trainers.evaluations.boxed_images.task import Detecting
from trainers.models.encoders import create_encoder

SMALL = DetectorOptions(
    BoxedData(path="a"),
    size=64,
    sizes=(48, 96),
    longest=200,
    proposals=20,
    rois=8,
    anchors=(8, 16, 24, 32, 48),
    channels=16,
    width=24,
)


def encoder_of(name, seed=0):
    """An encoder whose normalisations are not those that they start with."""
    torch.manual_seed(seed)
    encoder = create_encoder(name).eval()
    for layer in encoder.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight.data, layer.running_var):
                tensor.uniform_(0.8, 1.2)
            for tensor in (layer.bias.data, layer.running_mean):
                tensor.uniform_(-0.1, 0.1)
    return encoder


def sample(proposals=False, masks=False, count=1):
    boxes = torch.tensor([[4.0, 4, 30, 30]] * count).reshape(-1, 4)
    target = {"boxes": boxes, "labels": torch.ones(count, dtype=torch.int64), "size": torch.tensor([64, 80])}
    if proposals:
        target["proposals"] = torch.tensor([[4.0, 4, 30, 30], [0, 0, 80, 64], [40, 40, 70, 60]])
    if masks:
        target["masks"] = torch.zeros(count, 64, 80, dtype=torch.uint8)
        target["masks"][:, 4:30, 4:30] = 1
    generator = torch.Generator().manual_seed(0)
    return torch.rand(3, 64, 80, generator=generator), target


def test_the_pyramid_is_torchvisions_on_the_same_weights():
    encoder = encoder_of("resnet18")
    torch.manual_seed(1)
    ours = Pyramid(strided(encoder), 256).eval()
    body = torchvision.models.resnet18(weights=None, norm_layer=FrozenBatchNorm2d)
    body.load_state_dict(encoder.state_dict(), strict=False)
    theirs = _resnet_fpn_extractor(body, 5).eval()
    theirs.fpn.load_state_dict(ours.fpn.state_dict())
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        mine, expected = ours(image), theirs(image)
    assert list(mine) == list(expected) == ["0", "1", "2", "3", "pool"]
    for level, features in mine.items():
        torch.testing.assert_close(features, expected[level], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_normalisations_stay_and_everything_else_learns(frozen):
    encoder = encoder_of("resnet18")
    task = Detecting(SMALL, faster_rcnn(encoder, 2, SMALL), frozen).train()
    before = {name: tensor.clone() for name, tensor in task.net.backbone.encoder.state_dict().items()}
    image, target = sample()
    losses = task({"key": ["a"], "image": [image], "target": [target]})
    assert set(losses) == {"classifier", "box_reg", "objectness", "rpn_box_reg"}
    sum(losses.values()).backward()
    after = task.net.backbone.encoder.state_dict()
    assert torch.equal(after["bn1.running_mean"], before["bn1.running_mean"]) == frozen
    learnt = {name for name, parameter in task.net.named_parameters() if parameter.grad is not None}
    still = {name for name, _ in task.net.named_parameters()} - learnt
    norms = {f"backbone.encoder.{n}.weight" for n, m in encoder.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert still == ({*norms, *(n.replace("weight", "bias") for n in norms)} if frozen else set())


def test_images_are_resized_to_one_of_several_sizes_in_training_alone():
    resize = Resize(SMALL)
    image, target = sample()
    torch.manual_seed(0)
    seen = {resize.train()([image], [target])[0].image_sizes[0] for _ in range(20)}
    assert seen == {(48, 60), (96, 120)}
    assert {resize.eval()([image])[0].image_sizes[0] for _ in range(5)} == {(64, 80)}
    (whole,) = resize.eval()([image])[0].tensors
    mean, deviation = (torch.tensor(one)[:, None, None] for one in (MEAN, DEVIATION))
    torch.testing.assert_close(whole[:, :64, :80], (image - mean) / deviation, msg="as the encoders have it")


@pytest.mark.parametrize("network", [faster_rcnn, mask_rcnn])
def test_thin_boxes_are_learnt_and_boxes_found_in_fewer_bits(network):
    """bfloat16 has no number between 128 and 129."""
    torch.manual_seed(0)
    net = network(encoder_of("resnet18"), 2, replace(SMALL, size=96, sizes=(96,)))
    image, target = torch.rand(3, 96, 160), sample(masks=True)[1]
    target["boxes"] = torch.tensor([[128.2, 20, 128.6, 60]])
    target["masks"] = torch.zeros(1, 96, 160, dtype=torch.uint8)
    target["masks"][:, 20:60, 128] = 1
    net.roi_heads.score_thresh = 0.0
    with torch.autocast("cpu", torch.bfloat16):
        losses = net.train()([image], [target])
        (found,) = net.eval()([image])
    assert all(loss.isfinite() for loss in losses.values()), losses
    assert {found["boxes"].dtype, found["scores"].dtype} == {torch.float32}
    assert not torch.equal(found["boxes"], found["boxes"].bfloat16().float())


def test_masks_come_with_boxes():
    net = mask_rcnn(encoder_of("resnet18"), 2, SMALL)
    image, target = sample(masks=True)
    losses = net.train()([image], [target])
    assert "loss_mask" in losses
    assert all(loss.isfinite() for loss in losses.values())
    net.roi_heads.score_thresh = 0.0
    (found,) = net.eval()([image])
    assert found["masks"].shape == (len(found["boxes"]), 1, 64, 80)


@pytest.mark.parametrize("network", [faster_rcnn, mask_rcnn])
def test_an_image_without_an_object_has_finite_losses(network):
    net = network(encoder_of("resnet18"), 2, SMALL).train()
    image, target = sample(masks=True, count=0)
    losses = net([image], [target])
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()


def test_alexnet_classifies_boxes_by_its_own_fc6_and_fc7():
    encoder, same = encoder_of("alexnet"), encoder_of("alexnet")
    net = fast_rcnn(encoder, 2, SMALL).eval()
    image = torch.rand(1, 3, 80, 96)
    with torch.no_grad():
        normal = (image - same.mean) / same.deviation
        torch.testing.assert_close(net.backbone(normal), same.activations(image, ["conv5"])["conv5"])
        cells = torch.rand(2, 256, 3, 3)
        expected = same.fc7(same.fc6(cells))[:, :, 1, 1]
        torch.testing.assert_close(net.roi_heads.box_head(cells), expected, rtol=1e-4, atol=1e-4)
    whole = {"0": torch.arange(30.0).view(1, 1, 5, 6)}
    pooled = net.roi_heads.box_roi_pool(whole, [torch.tensor([[0.0, 0, 80, 64]])], [(80, 96)])
    assert pooled.shape == (1, 1, 3, 3)
    assert pooled.max() == 29, "as large as the largest"


@pytest.mark.parametrize("name", ["alexnet", "vgg16"])
def test_given_proposals_are_what_is_classified(name):
    net = fast_rcnn(encoder_of(name), 2, SMALL)
    image, target = sample(proposals=True)
    task = Detecting(SMALL, net, True).train()
    assert not any(layer.training for layer in net.modules() if isinstance(layer, nn.BatchNorm2d))
    losses = task({"key": ["a"], "image": [image], "target": [target]})
    assert set(losses) == {"classifier", "box_reg"}
    assert all(loss.isfinite() for loss in losses.values())
    net.eval()
    nn.init.zeros_(net.roi_heads.box_predictor.bbox_pred.weight)
    nn.init.zeros_(net.roi_heads.box_predictor.bbox_pred.bias)
    net.transform._size = 128  # twice as large: the proposals go along, and what is found comes back
    net.roi_heads.score_thresh, net.roi_heads.nms_thresh = 0.0, 1.0
    with torch.no_grad():
        (found,) = net.eval()([image], [target])
    boxes = {tuple(np.round(box, 2)) for box in found["boxes"].tolist()}
    assert boxes == {tuple(box) for box in target["proposals"].tolist()}


def test_there_is_no_fast_rcnn_of_a_resnet():
    with pytest.raises(ValueError, match="encoder is resnet18: Fast R-CNN here is of alexnet and vgg16"):
        fast_rcnn(create_encoder("resnet18"), 2, SMALL)


def test_torchvisions_alexnet_classifies_boxes_by_its_own_layers():
    """What it pools of a box that is the image is what torchvision's network pools of that image itself."""
    torch.manual_seed(0)
    theirs = torchvision.models.alexnet(weights=None).eval()
    encoder = create_encoder("alexnet_torchvision")
    encoder.load_state_dict({name: one for name, one in theirs.state_dict().items() if name in encoder.state_dict()})
    net = fast_rcnn(encoder, 2, SMALL).eval()
    image = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(net.backbone(image), theirs.features[:-1](image))
        pooled = theirs.features(image)
        expected = theirs.classifier[:-1](pooled.flatten(1))
        torch.testing.assert_close(net.roi_heads.box_head(pooled), expected)
    assert net.roi_heads.box_roi_pool.bins == 6
