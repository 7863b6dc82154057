"""Small videos to test on: a texture that moves, each frame marked with its number."""

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

MARK = 16  # pixels: the side of the blocks that spell a frame's number in binary, along the top


def picture(number: int, width: int = 128, height: int = 96) -> np.ndarray:
    """`(H, W, 3)` uint8 RGB: a smooth texture, and above it the number's bits as black and white blocks."""
    texture = np.random.default_rng(0).integers(60, 200, (6, 8, 3), dtype=np.uint8)
    image = np.roll(cv2.resize(texture, (width, height), interpolation=cv2.INTER_CUBIC), 2 * number, axis=1)
    for bit in range(width // MARK):
        image[:MARK, bit * MARK : (bit + 1) * MARK] = 255 * (number >> bit & 1)
    return image


def number_in(image: np.ndarray) -> int:
    """The number that a picture is marked with."""
    blocks = image[:MARK, :, 1].reshape(MARK, -1, MARK).mean(axis=(0, 2))
    return int(sum(1 << bit for bit, level in enumerate(blocks) if level > 127))


def write_clip(
    path: Path,
    frames: int = 24,
    codec: str = "libx264",
    size: tuple[int, int] = (128, 96),
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    draw: Callable[[int, int, int], np.ndarray] = picture,
) -> Path:
    """Write a clip of `frames` pictures of `size` (width, height)."""
    width, height = size
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.thread_count = 1
        container.start_encoding()  # without a frame nothing else would, and no file be written
        for number in range(frames):
            image = draw(number, width, height)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """Write a file with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    return path
