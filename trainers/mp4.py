"""Videos of what was computed, as files that any player takes."""

import io
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from common_fate.pictures import Picture
from common_fate.shards.files import write_atomic


def write_mp4(path: Path, pictures: Iterable[Picture], fps: float) -> None:
    """Writes pictures `(H, W, 3)` of one size as a video that any player takes, atomically, see `mp4_bytes`."""
    write_atomic(path, mp4_bytes(pictures, fps))


def mp4_bytes(pictures: Iterable[Picture], fps: float) -> bytes:
    """Returns pictures `(H, W, 3)` of one size as a video that any player takes.

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
    return buffer.getvalue()


def _stream(container: av.container.OutputContainer, width: int, height: int, rate: Fraction) -> av.VideoStream:
    h264 = "libx264" in av.codecs_available
    stream = container.add_stream("libx264" if h264 else "mpeg4", rate=rate)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.options = {"crf": "16", "preset": "slow"} if h264 else {"qscale": "2"}
    context = stream.codec_context
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return stream
