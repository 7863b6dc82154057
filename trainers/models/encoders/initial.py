"""The weights that training starts from."""

from torch import nn


def initialise(module: nn.Module, gain: float = 0.02) -> None:
    """Draws new weights for all convolutions and batch normalisations, in place.

    Convolutions: normal, of Glorot and Bengio's deviation (AISTATS 2010) times `gain`; normalisations: N(1, `gain`);
    biases 0. This is how the published CMP starts, all of it, whatever its encoder.

    The numbers come from PyTorch's global generator, which the caller seeds. Whatever was loaded into the module before
    is lost: load weights after this.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_normal_(layer.weight, gain)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, gain)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
