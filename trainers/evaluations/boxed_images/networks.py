"""torchvision's detectors on the image encoders of this project."""

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN  # type: ignore[import-untyped]
from torchvision.models.detection.anchor_utils import AnchorGenerator  # type: ignore[import-untyped]
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead  # type: ignore[import-untyped]
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN  # type: ignore[import-untyped]
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor  # type: ignore[import-untyped]
from torchvision.models.detection.roi_heads import RoIHeads  # type: ignore[import-untyped]
from torchvision.models.detection.transform import (  # type: ignore[import-untyped]
    GeneralizedRCNNTransform,
    resize_boxes,
)
from torchvision.ops import FeaturePyramidNetwork, roi_pool  # type: ignore[import-untyped]
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool  # type: ignore[import-untyped]

from pipeline.columns.flow.networks.encoders.alexnet import AlexNet
from pipeline.columns.flow.networks.encoders.encoder import DEVIATION, MEAN
from pipeline.columns.flow.networks.encoders.plain import Convolved, PlainAlexNet, PlainVGG
from pipeline.columns.flow.networks.encoders.vgg import VGG
from trainers.evaluations.boxed_images.options import DetectorOptions
from trainers.models.encoders import Encoder, strided

MASK_LAYERS = 4
RATIOS = (0.5, 1.0, 2.0)
FOUND = 100  # of an image at most
# Fast R-CNN's own: Girshick, ICCV 2015, sections 2 and 3; the rest of its numbers are torchvision's.
OVERLAP, LEAST_SCORE, OBJECTS = 0.3, 0.05, 0.25


class Resize(GeneralizedRCNNTransform):  # type: ignore[misc]
    """Normalises and resizes the images of a batch: in training to one of several sizes each, else to one."""

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__(options.sizes, options.longest, list(MEAN), list(DEVIATION))
        self._sizes, self._size = options.sizes, options.size

    def train(self, mode: bool = True) -> "Resize":
        """Sets the mode, and the sizes to choose from."""
        super().train(mode)
        self.min_size = self._sizes if mode else (self._size,)
        return self


class Pyramid(nn.Module):
    """From normalised images to a feature pyramid over an encoder's strides 4 to 32, and one level more.

    Source: Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, section 3.
    """

    def __init__(self, encoder: Encoder, channels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.strides = [stride for stride in encoder.channels if stride >= 4]
        widths = [encoder.channels[stride] for stride in self.strides]
        self.fpn = FeaturePyramidNetwork(widths, channels, extra_blocks=LastLevelMaxPool())
        self.out_channels = channels

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = self.encoder.features_of(image)
        levels = OrderedDict((str(level), features[stride]) for level, stride in enumerate(self.strides))
        pyramid: dict[str, Tensor] = self.fpn(levels)
        return pyramid


def faster_rcnn(encoder: Encoder, classes: int, options: DetectorOptions) -> GeneralizedRCNN:
    """Builds Faster R-CNN with a feature pyramid on a ResNet, its heads with random weights from the global generator.

    Source: Ren et al., "Faster R-CNN", NeurIPS 2015; Lin et al., CVPR 2017, section 4.
    """
    net = FasterRCNN(Pyramid(strided(encoder), options.channels), **_settings(classes, options))
    net.transform = Resize(options)
    return _exact(net, net.rpn.head, net.roi_heads.box_predictor)


def mask_rcnn(encoder: Encoder, classes: int, options: DetectorOptions) -> GeneralizedRCNN:
    """Builds Mask R-CNN with a feature pyramid on a ResNet, its heads with random weights from the global generator.

    Source: He et al., "Mask R-CNN", ICCV 2017, section 3.
    """
    channels = options.channels
    net = MaskRCNN(
        Pyramid(strided(encoder), channels),
        mask_head=MaskRCNNHeads(channels, (channels,) * MASK_LAYERS, 1),
        mask_predictor=MaskRCNNPredictor(channels, channels, classes + 1),
        **_settings(classes, options),
    )
    net.transform = Resize(options)
    return _exact(net, net.rpn.head, net.roi_heads.box_predictor, net.roi_heads.mask_predictor)


def _exact(net: GeneralizedRCNN, *heads: nn.Module) -> GeneralizedRCNN:
    """Has heads give 32 bits under autocast, too: torchvision keeps boxes in what their offsets come in, and bfloat16
    has none between 200 and 201, so that thin boxes would lose their width, and the loss be no number."""
    for head in heads:
        head.register_forward_hook(lambda _head, _given, found: _in_32_bits(found))
    return net


def _in_32_bits(found: Any) -> Any:
    return found.float() if isinstance(found, Tensor) else type(found)(map(_in_32_bits, found))


def _settings(classes: int, options: DetectorOptions) -> dict[str, Any]:
    """What both have in common."""
    return {
        "rpn_anchor_generator": AnchorGenerator(tuple((side,) for side in options.anchors), (RATIOS,) * 5),
        "rpn_pre_nms_top_n_train": 2 * options.proposals,
        "rpn_pre_nms_top_n_test": options.proposals,
        "rpn_post_nms_top_n_train": options.proposals,
        "rpn_post_nms_top_n_test": options.proposals,
        "box_head": TwoMLPHead(options.channels * 7**2, options.width),
        "box_predictor": FastRCNNPredictor(options.width, classes + 1),
        "box_batch_size_per_image": options.rois,
        "box_detections_per_img": FOUND,
    }


class Given(nn.Module):
    """Stands where others find proposals: gives those that came with the images, at the size these now have."""

    def forward(
        self, images: Any, features: dict[str, Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        sized = zip(targets, images.image_sizes, strict=True)
        return [resize_boxes(target["proposals"], target["size"].tolist(), size) for target, size in sized], {}


class Pool(nn.Module):
    """Pools the features in boxes over `bins x bins` parts of each, as large as their largest value."""

    def __init__(self, bins: int, stride: int) -> None:
        super().__init__()
        self.bins, self.stride = bins, stride

    def forward(self, features: dict[str, Tensor], boxes: list[Tensor], sizes: list[tuple[int, int]]) -> Tensor:
        pooled: Tensor = roi_pool(features["0"].float(), boxes, self.bins, 1 / self.stride)
        return pooled


def fast_rcnn(encoder: Encoder, classes: int, options: DetectorOptions) -> GeneralizedRCNN:
    """Builds Fast R-CNN on conv5 of an AlexNet or a VGG-16; new layers have random weights from the global generator.

    What classifies a box are AlexNet's own fc6 and fc7, on the 3x3 cells that its fc6 sees, and those of torchvision's
    networks, on the 6x6 or 7x7 of theirs. This project's VGG-16 has none, so its two layers are new, on 7x7 cells.

    Source: Girshick, "Fast R-CNN", ICCV 2015, section 2.
    """
    if isinstance(encoder, AlexNet):
        backbone = nn.Sequential(
            *(encoder.conv1, encoder.pool1, encoder.conv2, encoder.pool2),
            *(encoder.conv3, encoder.conv4, encoder.conv5),
        )
        fc6: Any = encoder.fc6[0]  # type: ignore[index]
        fc6.padding = (0, 0)  # of its cells none lies beyond the box
        head: nn.Module = nn.Sequential(encoder.fc6, nn.Dropout(), encoder.fc7, nn.Dropout(), nn.Flatten())
        pool, width = Pool(fc6.kernel_size[0], 16), encoder.channels[encoder.stride]
    elif isinstance(encoder, PlainAlexNet | PlainVGG):
        backbone = encoder.features[:-1]  # all but pool5, whose place the pool takes
        fc6, fc7 = (layer for layer in encoder.classifier if isinstance(layer, Convolved))
        connected = (part for layer in (fc6, fc7) for part in (_connected(layer), nn.ReLU(inplace=True), nn.Dropout()))
        head = nn.Sequential(nn.Flatten(), *connected)
        pool, width = Pool(fc6.kernel[-1], 16), fc7.out_features
    elif isinstance(encoder, VGG):
        end = int(encoder.layers["pool5"].module.rpartition(".")[2])
        backbone = nn.Sequential(*encoder.features[:end])
        pool, width = Pool(7, encoder.stride), options.width
        head = TwoMLPHead(encoder.channels[encoder.stride] * 7**2, width)
    else:
        raise ValueError(f"encoder is {encoder.name}: Fast R-CNN here is of alexnet and vgg16")
    heads = RoIHeads(
        *(pool, head, FastRCNNPredictor(width, classes + 1)),
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=options.rois,
        positive_fraction=OBJECTS,
        bbox_reg_weights=None,
        score_thresh=LEAST_SCORE,
        nms_thresh=OVERLAP,
        detections_per_img=FOUND,
    )
    return _exact(GeneralizedRCNN(backbone, Given(), heads, Resize(options)), heads.box_predictor)


def _connected(layer: Convolved) -> nn.Linear:
    """The layer as it was before it slid over images: of one square of cells, flattened."""
    made = nn.Linear(layer.in_features, layer.out_features)
    made.load_state_dict(layer.state_dict())
    return made
