"""What classifies: an encoder, the mean of its deepest features over the image, and a linear classifier."""

from torch import Tensor, nn

from trainers.models.encoders import Encoder


class Classifier(nn.Module):
    """From images `(B, 3, S, S)` in [0, 1] to scores of classes `(B, classes)`. The linear classifier starts at zero.

    Source: Lin et al., "Network In Network", ICLR 2014, section 3.2, for the mean over the image.
    """

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.score = nn.Linear(encoder.channels[encoder.stride], classes)
        for parameter in self.score.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor) -> Tensor:
        scores: Tensor = self.score(self.encoder(image)[self.encoder.stride].mean(dim=(2, 3)))
        return scores
