import json
import os
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco
from typer.testing import CliRunner, Result

from common_fate.errors import UserError
from common_fate.foreign.flow_files import read_flo
from tests.support.coloured_net import lively, options
from trainers.cli import app
from trainers.data.split import Split
from trainers.methods.cmp.apps.predict import as_image, predict_flow
from trainers.methods.cmp.method import METHOD
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions, LossOptions, ModelOptions
from trainers.models.saving import save_model

OPTIONS = replace(
    CMPOptions(ModelOptions("resnet18"), LossOptions(bins=9, limit=20)), transforms=options(32).transforms
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["cmp", *(str(argument) for argument in arguments)])


def error(*arguments: object) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, UserError), (result.output, result.exception)
    message = str(result.exception)
    assert "\n" not in message
    return message


def make_model(folder: Path) -> CMPNet:
    torch.manual_seed(0)
    net = lively(CMPNet(OPTIONS.model, OPTIONS.loss))
    save_model(folder / "model.safetensors", net, METHOD, OPTIONS, Split())
    return net


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with an image in another one, and one experiment."""
    monkeypatch.chdir(tmp_path)
    make_model(tmp_path / "results" / "experiments" / "one")
    (tmp_path / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (45, 71, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "photos" / "dog.png"), pixels)
    return tmp_path


IMAGE = Path("photos/dog.png")


def image() -> np.ndarray:
    return cv2.imread(str(IMAGE))[..., ::-1].copy()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_propagate_writes_flow_and_picture(here: Path):
    result = run("propagate", IMAGE, "--guide", "10,20,-3,4.5", "--guide", "30,60,0,0")
    assert result.exit_code == 0, result.output
    assert names(here) == {"dog-flow.flo", "dog-flow.png"}
    assert result.stdout == "wrote dog-flow.flo and dog-flow.png\n"
    flow, valid = read_flo("dog-flow.flo")
    net = make_model(here / "again")
    expected = predict_flow(net, OPTIONS, as_image(image()), [[10, 20, -3, 4.5], [30, 60, 0, 0]])
    assert valid.all()
    assert np.allclose(flow, expected.numpy(), atol=1e-5)
    picture = cv2.imread("dog-flow.png")
    assert picture.shape[1] > 2 * 384


def test_animate_writes_a_video_that_begins_with_the_image(here: Path):
    result = run("animate", IMAGE, "--guide", "10,20,-3,4.5", "--frames", 4, "--to", "made/out.mp4", "--fps", 8)
    assert result.exit_code == 0, result.output
    with av.open("made/out.mp4") as container:
        assert container.streams.video[0].average_rate == 8
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(frames) == 4
    assert frames[0].shape == (46, 72)
    grey = cv2.cvtColor(image(), cv2.COLOR_RGB2GRAY)
    assert np.corrcoef(frames[0][:45, :71].ravel(), grey.ravel())[0, 1] > 0.97


def test_annotate_writes_mask_run_lengths_and_overlay(here: Path):
    result = run("annotate", IMAGE, "--positive", "10,20", "--positive", "20,20", "--negative", "40,60")
    assert result.exit_code == 0, result.output
    assert names(here) == {"dog-mask.png", "dog-mask.json", "dog-mask-overlay.png"}
    mask = cv2.imread("dog-mask.png", cv2.IMREAD_UNCHANGED)
    assert mask.shape == (45, 71)
    assert set(np.unique(mask)) <= {0, 255}
    assert mask.any()
    assert (coco.decode(json.loads(Path("dog-mask.json").read_text())) * 255 == mask).all()
    assert cv2.imread("dog-mask-overlay.png").shape == (45, 71, 3)
    tighter = run("annotate", IMAGE, "--positive", "10,20", "--threshold", 0.9, "--to", "tight.png")
    assert tighter.exit_code == 0
    assert cv2.imread("tight.png", 0).sum() < mask.sum()


def test_the_model_is_a_file_or_an_experiment_or_the_only_one(here: Path):
    guide = ("--guide", "1,1,1,1")
    for model in ("results/experiments/one", "results/experiments/one/model.safetensors"):
        assert run("propagate", IMAGE, *guide, "--model", model).exit_code == 0
    make_model(here / "results" / "experiments" / "two")
    message = error("propagate", IMAGE, *guide)
    assert "results/experiments/one, results/experiments/two" in message
    for folder in ("one", "two"):
        os.remove(here / "results" / "experiments" / folder / "model.safetensors")
    assert "results/experiments/one/model.safetensors: there is no such file" in error(
        "propagate", IMAGE, *guide, "--model", "results/experiments/one"
    )


def test_where_no_model_is_given_the_one_that_comes_with_the_project_is_used(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    shipped = here / "weights"
    monkeypatch.setattr("trainers.models.shipped.FOLDER", shipped)
    monkeypatch.chdir(here / "photos")  # no results here
    assert "it has none of cmp" in error("propagate", "dog.png", "--guide", "1,1,1,1")
    make_model(shipped)
    (shipped / "model.safetensors").rename(shipped / "cmp.safetensors")
    result = run("propagate", "dog.png", "--guide", "1,1,1,1")
    assert (result.exit_code, result.stderr) == (0, "model: the one that comes with the project\n")
    monkeypatch.chdir(here)
    assert run("propagate", IMAGE, "--guide", "1,1,1,1").stderr == ""
    assert "comes with" in run("propagate", IMAGE, "--guide", "1,1,1,1", "--model", "shipped").stderr


def test_motion_beyond_the_limit_is_noted(here: Path):
    result = run("propagate", IMAGE, "--guide", "10,20,0,500", "--guide", "10,21,0,5")
    assert result.exit_code == 0
    (note,) = result.stderr.splitlines()
    assert note.startswith("note: --guide 10,20,0,500 is more motion than the model knows: taken as 10,20,0,")
    assert "note" not in result.stdout


COMMANDS = [
    ("propagate", "--guide", "1,1,1,1"),
    ("animate", "--guide", "1,1,1,1"),
    ("annotate", "--positive", "1,1"),
]


@pytest.mark.parametrize(("command", "option", "value"), COMMANDS)
def test_images_that_cannot_be_read(here: Path, command: str, option: str, value: str):
    assert error(command, "none.png", option, value) == "none.png: there is no such image"
    assert "there is no such image" in error(command, "photos", option, value)
    Path("text.jpg").write_text("no image")
    assert error(command, "text.jpg", option, value) == "text.jpg: not an image of a known format"
    Path("cut.png").write_bytes(IMAGE.read_bytes()[:2000])
    assert error(command, "cut.png", option, value).startswith("cut.png: ")


@pytest.mark.parametrize(("command", "option", "value"), COMMANDS)
def test_outputs_of_another_kind(here: Path, command: str, option: str, value: str):
    assert error(command, IMAGE, option, value, "--to", "out.gif").startswith("--to out.gif: should end in .")
    assert names(here) == set()


def test_an_output_never_overwrites_the_image(here: Path):
    before = IMAGE.read_bytes()
    assert "dog.png would overwrite the image" in error("annotate", IMAGE, "--positive", "1,1", "--to", IMAGE)
    assert "dog.png would overwrite the image" in error(
        "propagate", IMAGE, "--guide", "1,1,1,1", "--to", "photos/dog.flo"
    )
    os.rename(IMAGE, "photos/a-overlay.png")
    assert "would overwrite" in error("annotate", "photos/a-overlay.png", "--positive", "1,1", "--to", "photos/a.png")
    assert Path("photos/a-overlay.png").read_bytes() == before


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,4,5", "1,2,3,x", "1;2;3;4", "", "1", "1,2,,3"])
def test_guidance_that_is_no_vector(here: Path, text: str):
    assert f"--guide {text}: should be y,x,dy,dx" in error("propagate", IMAGE, "--guide", text)


@pytest.mark.parametrize("text", ["1", "1,2,3", "a,b"])
def test_points_that_are_none(here: Path, text: str):
    assert f"--positive {text}: should be y,x" in error("annotate", IMAGE, "--positive", text)
    assert f"--negative {text}: should be y,x" in error("annotate", IMAGE, "--positive", "1,1", "--negative", text)


def test_points_outside(here: Path):
    size = "which is 71 wide and 45 high"
    assert size in error("propagate", IMAGE, "--guide", "45,0,1,1")
    assert size in error("propagate", IMAGE, "--guide", "-1,0,1,1")
    assert size in error("animate", IMAGE, "--guide", "0,71,1,1")
    assert size in error("annotate", IMAGE, "--positive", "1,1", "--negative", "1,100")
    assert "finite" in error("propagate", IMAGE, "--guide", "1,1,nan,1")
    assert names(here) == set()


@pytest.mark.parametrize("command", ["propagate", "animate", "annotate"])
def test_guidance_is_required(here: Path, command: str):
    result = run(command, IMAGE)
    assert result.exit_code == 2
    assert "Missing option" in result.output
