"""Pictures of samples: flow as a colour wheel, guidance as arrows, labels as colours, and the sheet they hang on.

Arrays in, arrays out: pictures are `(H, W, 3)` uint8, RGB.
"""

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from common_fate.pictures.segments import draw_cut, draw_regions, draw_superpixels

Picture = NDArray[np.uint8]
Tile = tuple[Picture, str]

RED, YELLOW, GREEN, CYAN, BLUE, MAGENTA = (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1)
# How many hues the wheel has from one to the next: steps as even as the eye finds them.
WHEEL_STEPS = (
    (RED, YELLOW, 15),
    (YELLOW, GREEN, 6),
    (GREEN, CYAN, 4),
    (CYAN, BLUE, 11),
    (BLUE, MAGENTA, 13),
    (MAGENTA, RED, 6),
)
VOID = 255  # the label of pixels that belong to no object and do not count
UNKNOWN_FLOW = 1e9  # Middlebury's files mark unknown flow by components beyond this

DARK, GREY, WHITE = (32, 33, 36), (112, 117, 122), (255, 255, 255)
MOST_ARROWS = 4096
CUTS = (12, 4)  # regions of the cuts of a tree that are shown beside it
SHEET_WIDTH, TILE_WIDTH, GAP, TEXT_SIZE, LINE_HEIGHT = 1200, 384, 14, 13, 17


def _make_wheel() -> NDArray[np.float32]:
    """The 55 hues of the wheel, `(55, 3)` in [0, 1]."""
    arcs = []
    for start, end, steps in WHEEL_STEPS:
        change = np.subtract(end, start) * 255
        # Truncated, so that a channel that rises is rounded down and one that falls is rounded up, as published.
        arcs.append(np.multiply(start, 255) + np.trunc(change * np.arange(steps)[:, None] / steps))
    return (np.concatenate(arcs) / 255).astype(np.float32)


WHEEL = _make_wheel()


def _make_palette() -> Picture:
    """Black and 180 colours, `(181, 3)`, neighbours far apart on the circle of hues."""
    shades = [(0.0, 0.0, 0.0)]
    for i in range(1, 181):
        hue = i * 67 % 180 / 180  # 67 is near the golden section of 180 and shares no factor with it
        shades.append(colorsys.hsv_to_rgb(hue, (0.6, 0.85)[i % 2], (0.96, 0.86, 0.76)[i % 3]))
    return np.rint(np.multiply(shades, 255)).astype(np.uint8)


PALETTE = _make_palette()


def flow_to_color(
    flow: NDArray[np.float32], valid: NDArray[np.bool_] | None = None, max_magnitude: float | None = None
) -> Picture:
    """Flow on the Middlebury colour wheel: direction as hue, speed as saturation, standing still as white.

    Args:
        flow: `(2, H, W)`, pixels.
        valid: `(H, W)`, where the flow is known. What is unknown, not finite, or beyond 1e9 is black.
        max_magnitude: the speed in pixels of full saturation; what is faster is darker. The default is the field's own
            maximum, the convention of published pictures: there one wild vector pales the rest, so a sheet had better
            give `typical_maximum(flow)`.

    Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011, and its `colorcode`.
    """
    known = _known(flow, valid)
    u, v = np.where(known, flow, 0).astype(np.float32)
    speed = np.hypot(u, v)
    radius = speed / (_positive(max_magnitude) or _positive(speed.max(initial=0)) or 1.0)
    # Adding zero turns -0 into 0: else motion straight to the right would fall on either side of the wheel's seam.
    place = (np.arctan2(-(v + 0.0), -(u + 0.0)) / np.float32(np.pi) + 1) / 2 * (len(WHEEL) - 1)
    before = np.clip(place.astype(np.intp), 0, len(WHEEL) - 1)
    share = (place - before)[..., None]
    hue = (1 - share) * WHEEL[before] + share * WHEEL[(before + 1) % len(WHEEL)]
    radius = radius[..., None]
    color = np.where(radius <= 1, 1 - radius * (1 - hue), hue * 0.75)
    return _as_picture(np.clip(color * 255, 0, 255) * known[..., None])


def typical_maximum(flow: NDArray[np.float32], valid: NDArray[np.bool_] | None = None) -> float:
    """The speed to show in full colour: the maximum, or the 99th percentile where the fastest pixels run away from it.

    At least 1 px, so that the noise of a field that stands still is pale. `flow (2, H, W)` in pixels, `valid (H, W)`.
    """
    speeds = _speeds(flow, valid)
    if not speeds.size:
        return 1.0
    fastest, fast = float(speeds.max()), float(np.percentile(speeds, 99))
    return max(1.0, fastest if fastest <= 1.5 * fast else fast)


def color_wheel_legend(size: int) -> Picture:
    """The colour wheel itself, `(size, size, 3)` on white: right of the middle is the colour of going right."""
    fine = np.linspace(-1, 1, 4 * size, dtype=np.float32)
    field = np.stack(np.meshgrid(fine, fine))
    disc = np.where((np.hypot(*field) <= 1)[..., None], flow_to_color(field, max_magnitude=1), np.uint8(255))
    return _as_picture(cv2.resize(disc, (size, size), interpolation=cv2.INTER_AREA))


def draw_arrows(
    image: Picture,
    points: NDArray[np.float32],
    flow: NDArray[np.float32],
    scale: float = 1.0,
    max_magnitude: float | None = None,
) -> Picture:
    """The image with an arrow at each point: the flow there, in its colour on the wheel; a dot where nothing moves.

    Args:
        image: `(H, W, 3)`; it is left as it is.
        points: `(N, 3)` rows of y, x and distance, as the guidance column has them. Points outside are not drawn.
        flow: `(2, H, W)`, pixels.
        scale: the length of an arrow over the motion it stands for.
        max_magnitude: as for `flow_to_color`.
    """
    canvas = np.ascontiguousarray(image).copy()
    places = points[np.isfinite(points).all(axis=1), :2]
    places = places[((places >= 0) & (places <= np.array(flow.shape[1:]) - 1)).all(axis=1)]
    y, x = np.rint(places).astype(np.intp).T
    told = flow[:, y, x]
    told = np.where(_known(told), told, 0)
    colors = flow_to_color(told[:, None, :], max_magnitude=max_magnitude)[0].tolist()
    unit = max(1.0, max(image.shape[:2]) / 280)
    for outline in (True, False):  # all outlines first, so that none of them crosses an arrow
        for start, step, color in zip(places[:, ::-1], scale * told.T, colors, strict=True):
            _draw_arrow(canvas, start, step, DARK if outline else color, unit, grow=unit if outline else 0)
    return canvas


def label_colors(labels: NDArray[Any]) -> Picture:
    """Labels `(H, W)` as colours: black for 0, and for any other label always the same one of 180."""
    colors = PALETTE[1 + (labels.astype(np.int64) - 1) % (len(PALETTE) - 1)]
    return _as_picture(np.where(labels[..., None] == 0, PALETTE[0], colors))


def sample_row(key: str, sample: Mapping[str, Any]) -> list[Tile]:
    """The pictures of one sample with their captions: whichever of frame, flow, guidance, segments and truth it has.

    `sample` has decoded members by extension: `jpg (H, W, 3)`, `flow.b2 (2, H, W)`, `valid.png (H, W)`,
    `guidance.npy (N, 3)`, `regions.png (H, W)` and `tree.npy (R - 1, 4)`, `superpixels.png (H, W)`,
    `occlusion.png (H, W)`, `objects.png (H, W)`, `json`.
    """
    frame, flow, about = sample.get("jpg"), sample.get("flow.b2"), sample.get("json") or {}
    tiles: list[tuple[Picture, str, str]] = []
    if frame is not None:
        tiles.append((frame, "frame", _facts_of_frame(frame, about)))
    if flow is not None:
        valid = sample["valid.png"] > 0 if "valid.png" in sample else None
        fast = typical_maximum(flow, valid)
        tiles.append((flow_to_color(flow, valid, fast), "flow", _facts_of_flow(flow, valid, fast)))
        if "guidance.npy" in sample:
            points, scale = sample["guidance.npy"][:MOST_ARROWS], _arrow_scale(flow, fast)
            canvas = np.full((*flow.shape[1:], 3), 40, np.uint8) if frame is None else _darken(frame)
            facts = f"{_count(len(sample['guidance.npy']), 'point')} · arrows {scale:g} x motion"
            tiles.append((draw_arrows(canvas, points, flow, scale, fast), "guidance", facts))
    if frame is not None:
        tiles += _segment_tiles(frame, sample)
    else:
        tiles += _label_tiles(sample)
    if (occlusion := sample.get("occlusion.png")) is not None:
        hidden = np.repeat(occlusion[..., None] > 0, 3, axis=-1)
        tiles.append((_as_picture(255 * hidden), "occlusion", f"{hidden.mean():.1%} hidden in the next frame"))
    if (objects := sample.get("objects.png")) is not None:
        tiles.append(
            (
                label_colors(objects),
                "objects",
                _count(np.unique(objects[(objects != 0) & (objects != VOID)]).size, "object"),
            )
        )
    return [
        (_kept(picture), f"{name}\n{facts}" if i else f"{key}\n{name}: {facts}")
        for i, (picture, name, facts) in enumerate(tiles)
    ]


def _segment_tiles(frame: Picture, sample: Mapping[str, Any]) -> list[tuple[Picture, str, str]]:
    tiles: list[tuple[Picture, str, str]] = []
    if (labels := sample.get("regions.png")) is not None:
        tree = sample["tree.npy"]
        highest = f", heights up to {tree[-1, 2]:.2f}" if len(tree) else ""
        tiles.append((draw_regions(frame, labels, tree), "regions", f"{_count(len(tree) + 1, 'region')}{highest}"))
        for regions in CUTS:
            cut, count = draw_cut(frame, labels, tree, regions)
            tiles.append((cut, "cut", _count(count, "region")))
    if (labels := sample.get("superpixels.png")) is not None:
        tiles.append((draw_superpixels(frame, labels), "superpixels", _count(int(labels.max()) + 1, "superpixel")))
    return tiles


def _label_tiles(sample: Mapping[str, Any]) -> list[tuple[Picture, str, str]]:
    """Segments whose frame is not there, which often may not be."""
    named = [(name, sample[f"{name}.png"]) for name in ("regions", "superpixels") if f"{name}.png" in sample]
    return [
        (label_colors(labels.astype(np.int64) + 1), name, _count(int(labels.max()) + 1, name.removesuffix("s")))
        for name, labels in named
    ]


def contact_sheet(rows: Sequence[Sequence[Tile]], title: str, legend: Picture | None = None) -> Picture:
    """A sheet of pictures in rows of equal tiles, 1200 px wide at most, each over its caption, under a title.

    Captions may have several lines, the first is darker; lines too long for a tile lose their middle. Rows of single
    pictures are set side by side. `legend`, such as `color_wheel_legend(56)`, goes to the right of the title.
    """
    rows = [row for row in rows if row]
    if all(len(row) == 1 for row in rows):
        singles = [row[0] for row in rows]
        rows = [singles[i : i + 4] for i in range(0, len(singles), 4)]
    columns = max((len(row) for row in rows), default=1)
    width = min(TILE_WIDTH, (SHEET_WIDTH - GAP) // columns - GAP)
    bands = [_header(title, columns * (width + GAP) + GAP, legend)]
    bands += [_band(row, columns, width) for row in rows]
    return np.concatenate(bands)


def _positive(value: float | None) -> float | None:
    return float(value) if value is not None and value > 0 else None


def _known(flow: NDArray[np.float32], valid: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Where flow `(2, ...)` is finite, not marked as unknown, and `valid`."""
    with np.errstate(invalid="ignore"):
        usual = np.asarray((np.abs(flow) <= UNKNOWN_FLOW).all(axis=0))
    return usual if valid is None else np.logical_and(usual, valid)


def _speeds(flow: NDArray[np.float32], valid: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """The magnitudes of the known flow, `(N,)` pixels."""
    known = _known(flow, valid)
    speeds: NDArray[np.float32] = np.hypot(flow[0][known], flow[1][known])
    return speeds


def _as_picture(array: Any) -> Picture:
    picture: Picture = np.asarray(array).astype(np.uint8)
    return picture


def _draw_arrow(
    canvas: Picture, start: NDArray[Any], step: NDArray[Any], color: Sequence[int], unit: float, grow: float
) -> None:
    """Draws a shaft with a filled head in place, or a dot, `grow` pixels fatter all around."""
    bits = 4  # OpenCV takes coordinates in sixteenths of a pixel

    def fixed(at: NDArray[Any]) -> NDArray[np.int32]:
        near = np.clip(at, -1e4, 1e4)  # OpenCV's line clipping overflows far outside
        return np.asarray(np.rint(near * 2**bits), np.int32)

    def disc(at: NDArray[Any], radius: float) -> None:
        cv2.circle(canvas, fixed(at).tolist(), round((radius + grow) * 2**bits), color, -1, cv2.LINE_AA, bits)

    length = float(np.hypot(*step))
    if length < 2 * unit:
        disc(start, 2 * unit)
        return
    along = step / length
    across = np.array([-along[1], along[0]])
    tip, head = start + step, min(6 * unit, length)
    neck = tip - along * head
    disc(start, 1.4 * unit)
    thickness = max(1, round(1.6 * unit + 2 * grow))
    cv2.line(canvas, fixed(start).tolist(), fixed(neck).tolist(), color, thickness, cv2.LINE_AA, bits)
    corners = np.stack([tip, neck + across * 0.5 * head, neck - across * 0.5 * head])
    cv2.fillConvexPoly(canvas, fixed(corners), color, cv2.LINE_AA, bits)
    if grow:
        cv2.polylines(canvas, [fixed(corners)], True, color, max(1, round(2 * grow)), cv2.LINE_AA, bits)


def _darken(frame: Picture) -> Picture:
    """The frame dim and half grey, so that bright colours stand out against it."""
    grey = frame.mean(axis=-1, keepdims=True)
    return _as_picture((frame + grey) * 0.24)


def _arrow_scale(flow: NDArray[np.float32], fast: float) -> float:
    """The round number by which arrows are drawn longer, so that fast ones span about a tenth of the picture."""
    steps = np.array([0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 8, 10, 15, 20])
    return float(steps[np.abs(np.log(steps * fast / (max(flow.shape[1:]) / 10))).argmin()])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _facts_of_frame(frame: Picture, about: Mapping[str, Any]) -> str:
    facts = [f"{frame.shape[1]} x {frame.shape[0]}"]
    if isinstance(about.get("seconds"), int | float):
        facts.append(f"at {about['seconds']:.2f} s")
    if isinstance(about.get("frame"), int) and isinstance(about.get("next"), int):
        facts.append(f"next frame {about['next'] - about['frame']:+d}")
    return " · ".join(facts)


def _facts_of_flow(flow: NDArray[np.float32], valid: NDArray[np.bool_] | None, fast: float) -> str:
    speeds = _speeds(flow, valid)
    if not speeds.size:
        return "unknown everywhere"
    return f"mean {speeds.mean():.1f}, max {speeds.max():.1f}, full colour {fast:.1f} px"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _shorten(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, without as much of its middle as does not fit into `width` pixels."""
    kept, short = len(text), text
    while font.getlength(short) > width and kept > 2:
        kept -= 1
        short = text[: (kept + 1) // 2] + "..." + text[len(text) - kept // 2 :]
    return short


def _header(title: str, width: int, legend: Picture | None) -> Picture:
    height = max(44, 0 if legend is None else legend.shape[0] + GAP)
    sheet = Image.new("RGB", (width, height), WHITE)
    room = width - 2 * GAP
    if legend is not None:
        sheet.paste(Image.fromarray(legend), (width - GAP - legend.shape[1], GAP))
        room -= legend.shape[1] + GAP
    font = _font(20)
    ImageDraw.Draw(sheet).text((GAP, height / 2 + 3), _shorten(title, room, font), DARK, font, anchor="lm")
    return np.asarray(sheet)


def _band(row: Sequence[Tile], columns: int, width: int) -> Picture:
    """One row of tiles over their captions."""
    font = _font(TEXT_SIZE)
    tiles = [_fit(picture, width) for picture, _ in row]
    captions = [caption.splitlines() for _, caption in row]
    tallest = max(tile.shape[0] for tile in tiles)
    height = GAP + tallest + 5 + LINE_HEIGHT * max(map(len, captions)) + 4
    band = Image.new("RGB", (columns * (width + GAP) + GAP, height), WHITE)
    draw = ImageDraw.Draw(band)
    for column, (tile, lines) in enumerate(zip(tiles, captions, strict=True)):
        left = GAP + column * (width + GAP)
        band.paste(Image.fromarray(tile), (left, GAP + tallest - tile.shape[0]))
        for i, line in enumerate(lines):
            at = (left, GAP + tallest + 5 + i * LINE_HEIGHT)
            draw.text(at, _shorten(line, width, font), DARK if i == 0 else GREY, font)
    return np.asarray(band)


def _kept(picture: Picture) -> Picture:
    """The picture, no larger than a sheet could need: all of a sheet's are in memory at once."""
    return picture if max(picture.shape[:2]) <= 2 * SHEET_WIDTH else _fit(picture, 2 * SHEET_WIDTH)


def _fit(picture: Picture, width: int) -> Picture:
    """The picture as wide as a tile, or as high where it is higher than wide."""
    factor = width / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return _as_picture(cv2.resize(picture, size, interpolation=method))
