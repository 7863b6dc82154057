"""Guided video generation: an image moves as its guidance pulls it, like a marionette (section 4.3)."""

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import ArrayLike

from common_fate.pictures import Picture
from common_fate.shards.files import write_atomic
from trainers.methods.cmp.apps.predict import as_image, predict_flow, shortened
from trainers.methods.cmp.apps.warping import fill_holes, forward_warp
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions


def animate(net: CMPNet, options: CMPOptions, image: Picture, guidance: ArrayLike, frames: int) -> Iterator[Picture]:
    """Yields the image, and the image moved ever farther, up to the whole of its guidance.

    Guidance is continuous, as in the paper: frame i of n is told i / (n - 1) of each vector, its flow is predicted from
    that, and it is warped from the first image, so that no frame blurs the next.

    Args:
        image: `(H, W, 3)`.
        guidance: `(N, 4)` rows of y, x, dy, dx in pixels of the image.
        frames: how many, from 2 up.

    Yields:
        `(H, W, 3)`; the first is the image itself.

    Raises:
        UserError: as `predict_flow`.
    """
    vectors = shortened(net, options, image.shape[:2], guidance)
    yield image
    for i in range(1, frames):
        share = vectors * (1, 1, i / (frames - 1), i / (frames - 1))
        flow = predict_flow(net, options, as_image(image), share).numpy()
        yield fill_holes(forward_warp(image, flow))


def write_mp4(path: Path, pictures: Iterable[Picture], fps: float) -> None:
    """Writes pictures `(H, W, 3)` of one size as a video that any player takes, atomically.

    H.264 where FFmpeg has its encoder, else MPEG-4; 4:2:0, BT.709. An odd side is made even by repeating its last line.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = None
        for picture in pictures:
            even = np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")
            if stream is None:
                stream = _stream(container, even.shape[1], even.shape[0], Fraction(fps).limit_denominator(1001))
            frame = av.VideoFrame.from_ndarray(even, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())
    write_atomic(path, buffer.getvalue())


def _stream(container: av.container.OutputContainer, width: int, height: int, rate: Fraction) -> av.VideoStream:
    h264 = "libx264" in av.codecs_available
    stream = container.add_stream("libx264" if h264 else "mpeg4", rate=rate)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.options = {"crf": "16", "preset": "slow"} if h264 else {"qscale": "2"}
    context = stream.codec_context
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return stream
