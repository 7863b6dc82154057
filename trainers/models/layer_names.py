"""The layers of each encoder by name, the shallowest first. Nothing here imports torch: Snakemake reads it, too."""

_ALEXNET = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5", "fc6", "fc7")
_RESNET = ("conv1", "layer1", "layer2", "layer3", "layer4")
_VGG = tuple(f"{kind}{group}" for group in range(1, 6) for kind in ("conv", "pool"))

LAYERS: dict[str, tuple[str, ...]] = {
    "alexnet": _ALEXNET,
    "alexnet_torchvision": _ALEXNET,
    "resnet18": _RESNET,
    "resnet18_c4": _RESNET[:-1],
    "resnet34": _RESNET,
    "resnet50": _RESNET,
    "vgg16": _VGG,
    "vgg16_torchvision": (*_VGG, "fc6", "fc7"),
}


def check_layers(encoder: str | None, layers: object) -> None:
    """Raises ValueError where an encoder lacks one of the layers; of what is no list of names, others say so."""
    known = LAYERS.get(encoder or "", ())
    for name in layers if known and isinstance(layers, list | tuple) else ():
        if name not in known:
            raise ValueError(f"layers: {encoder} has no layer {name!r}: should be some of {', '.join(known)}")
