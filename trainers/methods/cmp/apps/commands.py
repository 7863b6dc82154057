"""What a trained model is used for, on the command line: propagate, animate, annotate.

Each command imports torch only once it runs, so that the help is there at once.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from common_fate.errors import SampleError, UserError
from common_fate.foreign.flow_files import write_flo
from common_fate.pictures import Picture
from common_fate.progress import progress
from common_fate.shards.files import write_atomic
from pipeline.sources.reading import read_image
from trainers.models.shipped import NAME, shipped_model
from trainers.models.weights_file import read_about

if TYPE_CHECKING:
    from trainers.methods.cmp.model import CMPNet
    from trainers.methods.cmp.options import CMPOptions

EXPERIMENTS = Path("results/experiments")
MODEL = "model.safetensors"

ImagePath = Annotated[Path, typer.Argument(help="The image.")]
Model = Annotated[
    Path | None,
    typer.Option(
        help="An experiment's folder, its model.safetensors, or shipped: the one that comes with the project. By "
        "default the only one of cmp under results, and where there is none, shipped."
    ),
]
app = typer.Typer(
    help="Conditional motion propagation (Zhan et al., CVPR 2019): what a trained model is used for.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Guide = Annotated[
    list[str],
    typer.Option(help="A guidance vector: y,x,dy,dx in pixels of the image. Give it once for each vector."),
]


@app.command()
def propagate(
    image: ImagePath,
    guide: Guide,
    model: Model = None,
    to: Annotated[
        Path | None,
        typer.Option(help="The flow to write, .flo; a picture, .png, comes beside it. By default ./IMAGE-flow.flo."),
    ] = None,
) -> None:
    """Predict the motion of a whole image from guidance: a .flo file and a picture."""
    flo = _target(image, to, "flow", ".flo", beside=(".png",))
    picture = _read(image)
    told = _rows(guide, "--guide", "y,x,dy,dx")
    net, options = _load(model)
    from trainers.methods.cmp.apps.predict import as_image, predict_flow
    from trainers.methods.cmp.apps.propagate import propagation_picture

    told = _within_limit(net, options, picture, told)
    flow = predict_flow(net, options, as_image(picture), told).numpy()
    _write_flo(flo, flow)
    _write_png(flo.with_suffix(".png"), propagation_picture(image.name, picture, told, flow))
    typer.echo(f"wrote {flo} and {flo.with_suffix('.png')}")


@app.command()
def animate(
    image: ImagePath,
    guide: Guide,
    model: Model = None,
    frames: Annotated[int, typer.Option(min=2, help="How many, from the image itself to the whole motion.")] = 30,
    fps: Annotated[float, typer.Option(min=1, max=240, help="Frames a second.")] = 15,
    to: Annotated[Path | None, typer.Option(help="The video to write, .mp4. By default ./IMAGE-animated.mp4.")] = None,
) -> None:
    """Move an image by guidance, like a marionette: a video."""
    mp4 = _target(image, to, "animated", ".mp4")
    picture = _read(image)
    told = _rows(guide, "--guide", "y,x,dy,dx")
    net, options = _load(model)
    from trainers.methods.cmp.apps.animate import animate as generate
    from trainers.mp4 import write_mp4

    told = _within_limit(net, options, picture, told)
    write_mp4(mp4, progress(generate(net, options, picture, told, frames), frames, "frames"), fps)
    typer.echo(f"wrote {mp4}")


@app.command()
def annotate(
    image: ImagePath,
    positive: Annotated[list[str], typer.Option(help="A point on the object: y,x. Give it once for each point.")],
    negative: Annotated[list[str] | None, typer.Option(help="A point that is not of it: y,x. Likewise.")] = None,
    model: Model = None,
    strength: Annotated[
        float, typer.Option(min=0.1, help="How far points are pulled, pixels of the network's input.")
    ] = 10.0,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="The share of the strongest response above which a pixel is in.")
    ] = 0.5,
    to: Annotated[
        Path | None,
        typer.Option(
            help="The mask to write, .png; COCO run lengths, .json, and a picture, -overlay.png, come beside it. "
            "By default ./IMAGE-mask.png."
        ),
    ] = None,
) -> None:
    """Make a mask of an object from a few clicks: PNG, COCO run lengths and a picture."""
    png = _target(image, to, "mask", ".png", beside=(".json", "-overlay.png"))
    picture = _read(image)
    on, off = _rows(positive, "--positive", "y,x"), _rows(negative or [], "--negative", "y,x")
    net, options = _load(model)
    from trainers.methods.cmp.apps.annotate import annotate as mask_of
    from trainers.methods.cmp.apps.annotate import annotation_picture, run_lengths

    mask = mask_of(net, options, picture, on, off, strength, threshold)
    overlay = png.with_name(f"{png.stem}-overlay.png")
    _write_png(png, 255 * mask.astype(np.uint8))
    write_atomic(png.with_suffix(".json"), json.dumps(run_lengths(mask)).encode())
    _write_png(overlay, annotation_picture(picture, mask, on, off))
    typer.echo(f"wrote {png} ({mask.mean():.1%} of the image), {png.with_suffix('.json')} and {overlay}")


def _target(image: Path, to: Path | None, what: str, suffix: str, beside: Sequence[str] = ()) -> Path:
    """The file to write; by default it is named after the image and lies in the current folder."""
    path = to or Path(f"{image.stem}-{what}{suffix}")
    if path.suffix.lower() != suffix:
        raise UserError(f"--to {path}: should end in {suffix}")
    for name in (path.name, *(path.stem + end for end in beside)):
        if path.with_name(name).resolve() == image.resolve():
            raise UserError(f"--to {path}: {name} would overwrite the image: give another name")
    return path


def _read(path: Path) -> Picture:
    if not path.is_file():
        raise UserError(f"{path}: there is no such image")
    try:
        return read_image(str(path))
    except SampleError as error:
        raise UserError(f"{path}: {error}") from error


def _rows(texts: Sequence[str], option: str, form: str) -> NDArray[np.float64]:
    """Numbers that are written as `form` is, `(N, 2 or 4)`."""
    rows = []
    for text in texts:
        try:
            rows.append([float(part) for part in text.split(",")])
        except ValueError:
            rows.append([])
        if len(rows[-1]) != form.count(",") + 1:
            raise UserError(f"{option} {text}: should be {form}: numbers with commas between them, nothing else")
    return np.array(rows, np.float64).reshape(len(rows), form.count(",") + 1)


def _load(model: Path | None) -> tuple[CMPNet, CMPOptions]:
    """The network, on the GPU where there is one, and its options."""
    path = _found(model)
    import torch

    from trainers.methods.cmp.model import CMPNet
    from trainers.models.saving import load_model

    trained = load_model(path)
    if not isinstance(trained.net, CMPNet):
        raise UserError(f"{path}: is a model of {trained.method.name}, and not of cmp")
    return trained.net.to("cuda" if torch.cuda.is_available() else "cpu"), trained.options


def _found(model: Path | None) -> Path:
    if model is not None and model != Path(NAME):
        return model / MODEL if model.is_dir() else model
    found = [path for path in sorted(EXPERIMENTS.glob(f"*/{MODEL}")) if model is None and _is_of_cmp(path)]
    if len(found) > 1:
        names = ", ".join(str(path.parent) for path in found)
        raise UserError(f"--model: give one of the {len(found)} models there are, or {NAME}: {names}")
    if found:
        return found[0]
    typer.echo("model: the one that comes with the project", err=True)
    return shipped_model("cmp")


def _is_of_cmp(path: Path) -> bool:
    try:
        return read_about(path).get("method") == "cmp"
    except UserError:
        return False


def _within_limit(
    net: CMPNet, options: CMPOptions, picture: Picture, guidance: NDArray[np.float64]
) -> NDArray[np.float64]:
    from trainers.methods.cmp.apps.predict import shortened

    within = shortened(net, options, (picture.shape[0], picture.shape[1]), guidance)
    for told, kept in zip(guidance, within, strict=True):
        if not np.allclose(told, kept):
            was, now = (",".join(f"{value:g}" for value in np.round(row, 1)) for row in (told, kept))
            typer.echo(f"note: --guide {was} is more motion than the model knows: taken as {now}", err=True)
    return within


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Writes grey `(H, W)` or RGB `(H, W, 3)`."""
    write_atomic(path, cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])[1].tobytes())


def _write_flo(path: Path, flow: NDArray[np.float32]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "flow.flo"
        write_flo(whole, flow)
        write_atomic(path, whole.read_bytes())
