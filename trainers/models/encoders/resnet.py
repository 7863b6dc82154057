"""Dilated ResNets: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, at stride 8."""

import torchvision  # type: ignore[import-untyped]
from torch import Tensor, nn

from trainers.models.encoders.encoder import Encoder


class ResNet(Encoder):
    """torchvision's ResNet without its classifier, its last two groups dilated by 2 and 4 instead of strided.

    All 3x3 convolutions of a group have the group's dilation (Zhan et al., CVPR 2019, appendix A), so the weights'
    names and shapes are those of the strided network. Features: the first convolution's at stride 2, those of the
    first group at 4, and those of the last at 8.
    """

    def __init__(self, name: str) -> None:
        net = {"resnet18": torchvision.models.resnet18, "resnet50": torchvision.models.resnet50}[name](weights=None)
        super().__init__(name, {2: 64, 4: net.fc.in_features // 8, 8: net.fc.in_features})
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        # After construction, because torchvision dilates only networks of bottleneck blocks.
        _dilate(self.layer3, 2)
        _dilate(self.layer4, 4)

    def features_of(self, image: Tensor) -> dict[int, Tensor]:
        halved = self.relu(self.bn1(self.conv1(image)))
        quartered = self.layer1(self.maxpool(halved))
        return {2: halved, 4: quartered, 8: self.layer4(self.layer3(self.layer2(quartered)))}


def _dilate(group: nn.Module, dilation: int) -> None:
    for layer in group.modules():
        if isinstance(layer, nn.Conv2d):
            layer.stride = (1, 1)
            if layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (dilation, dilation)
