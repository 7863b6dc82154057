"""ResNets, dilated or not: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016."""

from collections.abc import Sequence
from typing import Any

import torch
import torchvision  # type: ignore[import-untyped]
from torch import Tensor, nn

from pipeline.columns.flow.networks.encoders.encoder import Encoder, Layer

_STRIDES = (4, 8, 16, 32)
"""Of the four groups, conv2_x to conv5_x, as published."""


class ResNet(Encoder):
    """torchvision's ResNet without its classifier, its last two groups dilated by 2 and 4 instead of strided.

    All 3x3 convolutions of a group have the group's dilation (Zhan et al., CVPR 2019, appendix A), so the weights'
    names and shapes are those of the strided network. Features: the first convolution's at stride 2, those of the
    first group at 4, and those of the last at 8.

    Args:
        name: torchvision's, and `_c4` behind it for a network that ends with the third group: a quarter of ResNet-18's
            weights.
    """

    def __init__(self, name: str) -> None:
        net = _torchvision(name.removesuffix("_c4"))
        whole = not name.endswith("_c4")
        deepest = net.fc.in_features if whole else net.fc.in_features // 2
        super().__init__(name, {2: 64, 4: net.fc.in_features // 8, 8: deepest})
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3 = net.layer1, net.layer2, net.layer3
        if whole:
            self.layer4 = net.layer4
        self.layers = _layers(net, (4, 8, 8, 8) if whole else (4, 8, 8))
        # After construction, because torchvision dilates only networks of bottleneck blocks.
        for group, dilation in zip(self._dilated, (2, 4), strict=False):
            _dilate(group, dilation)

    @property
    def _dilated(self) -> tuple[nn.Module, ...]:
        return (self.layer3, self.layer4) if hasattr(self, "layer4") else (self.layer3,)

    def features_of(self, image: Tensor) -> dict[int, Tensor]:
        halved = self.relu(self.bn1(self.conv1(image)))
        quartered = self.layer1(self.maxpool(halved))
        deepest = self.layer2(quartered)
        for group in self._dilated:
            deepest = group(deepest)
        return {2: halved, 4: quartered, 8: deepest}


class StridedResNet(Encoder):
    """torchvision's ResNet without its classifier, its strides unchanged.

    Features: the first convolution's at stride 2, and those of the groups at 4, 8, 16 and 32. Its weights are those of
    the dilated `ResNet`, by name and shape.

    Args:
        stride: of the deepest features that are wanted: the groups behind them are there, do nothing and stay frozen.

    Raises:
        ValueError: there is no such ResNet, or no group at that stride.
    """

    def __init__(self, name: str, stride: int = 32) -> None:
        if stride not in _STRIDES:
            raise ValueError(f"stride is {stride}: should be one of {', '.join(map(str, _STRIDES))}")
        net = _torchvision(name)
        widths = {one: net.fc.in_features // (_STRIDES[-1] // one) for one in _STRIDES if one <= stride}
        super().__init__(name, {2: 64, **widths})
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        self.layers = _layers(net, list(widths))
        for group in self._groups[len(widths) :]:
            group.requires_grad_(False)

    @property
    def _groups(self) -> tuple[nn.Module, ...]:
        return self.layer1, self.layer2, self.layer3, self.layer4

    def features_of(self, image: Tensor) -> dict[int, Tensor]:
        features = {2: self.relu(self.bn1(self.conv1(image)))}
        last = self.maxpool(features[2])
        for stride, group in zip(_STRIDES, self._groups, strict=True):
            if stride <= self.stride:
                features[stride] = last = group(last)
        return features


def strided(encoder: Encoder) -> StridedResNet:
    """Returns the ResNet of the same weights with its strides unchanged."""
    with torch.random.fork_rng(devices=[]):  # the weights to be replaced cost no random numbers
        net = StridedResNet(encoder.name)
    net.load_state_dict(encoder.state_dict())
    return net


def _torchvision(name: str) -> Any:
    known = {one: getattr(torchvision.models, one) for one in ("resnet18", "resnet34", "resnet50")}
    if name not in known:
        raise ValueError(f"encoder is {name!r}: should be one of {', '.join(known)}")
    return known[name](weights=None)


def _layers(net: Any, strides: Sequence[int]) -> dict[str, Layer]:
    """Of the first convolution, and of as many groups as there are strides."""
    narrowest = net.fc.in_features // 8
    groups = [Layer(f"layer{i + 1}", narrowest << i, stride) for i, stride in enumerate(strides)]
    return {"conv1": Layer("relu", 64, 2), **{group.module: group for group in groups}}


def _dilate(group: nn.Module, dilation: int) -> None:
    for layer in group.modules():
        if isinstance(layer, nn.Conv2d):
            layer.stride = (1, 1)
            if layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (dilation, dilation)
