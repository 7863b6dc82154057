"""How a forest looks at an image. Plans check it, and wait for no kernels."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ForestOptions:
    """How a forest looks at an image."""

    scale: float = 1.0  # the image is resized by this first, and the contours back
    multiscale: bool = False  # the mean over half, once and twice that size, which takes five times as long
    sharpen: int = 0  # pixels by which an edge may move to where the colours change

    def __post_init__(self) -> None:
        if not 0.25 <= self.scale <= 2:
            raise ValueError(f"scale is {self.scale}: take 0.25 to 2")
        if not 0 <= self.sharpen <= 4:
            raise ValueError(f"sharpen is {self.sharpen}: take 0 (none) to 4")
