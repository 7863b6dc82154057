import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from typer.testing import CliRunner

from common_fate.errors import UserError
from common_fate.shards.codecs import decode, encode
from common_fate.shards.writer import write_shard
from tests.support.faulty_server import serving
from tests.support.made_dataset import HEIGHT, PAIRS, VIDEOS, WIDTH, key, make_dataset, members, points, true_flow
from trainers.cli import app
from trainers.data.split import Split
from trainers.data.views import Views
from trainers.engine.options import build
from trainers.evaluations.propagation.run import FlowError, Part, evaluate, examples, open_parts
from trainers.evaluations.result import Measurement, Row, read_result
from trainers.methods.cmp.method import METHOD
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions
from trainers.models.saving import create_network, save_model

SIDE = HEIGHT
LEFT = (WIDTH - SIDE) // 2  # of the centre crop
MADE = [(shard, frame) for shard in range(3) for frame in range(PAIRS) if (shard, frame) != (1, 1)]
# The points are those of the column and the crop is not resized, so that what is right can be computed by hand.
OPTIONS = {
    "model": {"encoder": "resnet18"},
    "loss": {"kind": "regression"},
    "guidance": {"points": "column", "grid_stride": None},
    "transforms": {"shorter_side": SIDE, "crop": SIDE},
}
GUESS = (2.0, -1.0)


class Constant(torch.nn.Module):
    """Predicts the same motion everywhere, whatever it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.flow = torch.nn.Parameter(torch.tensor(GUESS))

    def forward(self, image: torch.Tensor, guidance: torch.Tensor) -> torch.Tensor:
        return self.flow.view(1, 2, 1, 1).expand(len(image), 2, 6, 6)


def options_of(**changed: Any) -> CMPOptions:
    return build(CMPOptions, OPTIONS | changed)


def crop(field: np.ndarray) -> np.ndarray:
    return field[..., LEFT : LEFT + SIDE]


def expected(pairs: Sequence[tuple[int, int]], dataset: str, flow: str, valid: np.ndarray | None = None) -> FlowError:
    """The row by its definition, pixel by pixel over all samples."""
    known = np.ones((SIDE, SIDE), bool) if valid is None else crop(valid)
    errors: list[list[np.ndarray]] = [[], [], []]
    counts = []
    for shard, frame in pairs:
        member = members("flow" if flow == "estimated" else "truth", shard, frame)["flow.b2"]
        target = crop(decode("flow.b2", member)).astype(float)
        told = points(shard, frame)[:, :2].astype(int) - (0, LEFT)
        told = told[((told >= 0) & (told < SIDE)).all(axis=1)]
        counts.append(len(told))
        pixels = np.stack(np.indices((SIDE, SIDE)), axis=-1).reshape(-1, 2)
        nearest = np.zeros_like(target)
        if len(told):
            y, x = told[cdist(pixels, told, "sqeuclidean").argmin(axis=1)].T
            nearest = target[:, y, x].reshape(2, SIDE, SIDE)
        guess = np.array(GUESS)[:, None, None]
        for of, prediction in zip(errors, (guess, 0, nearest), strict=True):
            of.append(np.hypot(*(prediction - target))[known])
    means = [np.concatenate(of).mean() for of in errors]
    return FlowError(dataset, flow, len(pairs), len({shard for shard, _ in pairs}), float(np.mean(counts)), *means)


def assert_same(row: FlowError, other: FlowError) -> None:
    assert (row.dataset, row.flow, row.samples, row.videos) == (other.dataset, other.flow, other.samples, other.videos)
    for name in ("points", "epe", "epe_no_motion", "epe_nearest"):
        assert getattr(row, name) == pytest.approx(getattr(other, name), rel=1e-5), name


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("evaluate") / "small")


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A dataset whose truth a test may change."""
    return make_dataset(tmp_path / "changed")


def view(dataset: Path) -> list[Path]:
    return [dataset / "shards/cmp"]


def test_the_rows_are_what_their_definition_says(dataset: Path):
    options = options_of()
    rows = evaluate(Constant(), options, open_parts(options, view(dataset), "all"))
    assert len(rows) == 2
    assert_same(rows[0], expected(MADE, "small", "estimated"))
    assert_same(rows[1], expected(MADE, "small", "exact"))


def test_only_videos_that_are_held_out_are_measured(dataset: Path):
    options = options_of()
    parts = open_parts(options, view(dataset), "held out", 0.4)
    held = {name.rpartition("-")[0] for name in parts[0].samples.keys}
    assert 0 < len(held) < len(VIDEOS)
    pairs = [(shard, frame) for shard, frame in MADE if VIDEOS[shard] in held]
    rows = evaluate(Constant(), options, parts)
    assert_same(rows[0], expected(pairs, "small", "estimated"))
    assert_same(rows[1], expected(pairs, "small", "exact"))


def test_several_datasets_have_a_row_of_their_pixels_together(dataset: Path):
    options = options_of()
    (of,) = (part.samples for part in open_parts(options, view(dataset), "all") if part.flow == "estimated")
    first, second = [row for row, (shard, _) in enumerate(MADE) if shard == 2], [0, 1]
    parts = [Part(name, "estimated", Views(of.views, [np.array(rows)])) for name, rows in (("a", first), ("b", second))]
    rows = evaluate(Constant(), options, parts)
    assert [row.dataset for row in rows] == ["all", "a", "b"], "the headline comes first"
    assert_same(rows[0], expected([MADE[row] for row in [*first, *second]], "all", "estimated"))


def rewrite_truth(dataset: Path, shard: int, frames: Sequence[int], valid: np.ndarray) -> None:
    """Truth that is known where it is valid, and far off elsewhere."""
    samples = []
    for frame in frames:
        flow = np.where(valid, true_flow(shard, frame), np.float32(300))
        made = {"flow.b2": flow, "valid.png": valid.astype(np.uint8) * 255}
        samples.append((key(shard, frame), {name: encode(name, value) for name, value in made.items()}))
    facts = {"stage": "truth", "version": 1, "options": {}, "inputs": {}}
    write_shard(dataset / f"truth/{shard:06d}.tar", samples, lambda: facts)


def test_exact_flow_counts_where_it_is_known_and_of_the_samples_that_have_it(changed: Path):
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[20:, 40:] = False
    for shard in range(3):
        rewrite_truth(changed, shard, [0, 2], valid)
    options = options_of(guidance={"points": "none", "grid_stride": None})
    rows = evaluate(Constant(), options, open_parts(options, view(changed), "all"))
    exact = expected([(shard, frame) for shard in range(3) for frame in (0, 2)], "changed", "exact", valid)
    assert rows[1].points == 0
    assert rows[1].samples == 6
    assert rows[1].epe == pytest.approx(exact.epe, rel=1e-5)
    assert rows[1].epe_nearest == rows[1].epe_no_motion == pytest.approx(exact.epe_no_motion, rel=1e-5)


def test_without_truth_there_is_one_row(changed: Path):
    for path in (changed / "truth").iterdir():
        path.unlink()
    options = options_of()
    assert [part.flow for part in open_parts(options, view(changed), "all")] == ["estimated"]


def test_flow_that_is_valid_nowhere_is_named(changed: Path):
    for shard in range(3):
        rewrite_truth(changed, shard, [0], np.zeros((HEIGHT, WIDTH), bool))
    options = options_of()
    with pytest.raises(UserError, match="changed: the exact flow of its 3 samples is not valid anywhere"):
        evaluate(Constant(), options, open_parts(options, view(changed), "all"))


def test_damaged_truth_is_named(changed: Path):
    tar = changed / "truth/000000.tar"
    data = bytearray(tar.read_bytes())
    data[512:600] = b"\xff" * 88  # the first member's bytes
    tar.write_bytes(data)
    options = options_of()
    for workers in (0, 1):
        with pytest.raises(UserError, match=r"000000\.tar: ape-000000: its exact flow cannot be read") as error:
            evaluate(Constant(), options, open_parts(options, view(changed), "all"), workers)
        assert "\n" not in str(error.value)


def test_evaluation_does_not_train(dataset: Path):
    options = options_of()
    net = CMPNet(options.model, options.loss).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    evaluate(net, options, open_parts(options, view(dataset), "all")[:1])
    assert not net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_examples_are_spread_and_of_the_exact_flow_where_known(dataset: Path):
    options = options_of()
    shown = examples(Constant(), options, open_parts(options, view(dataset), "all"), 3)
    assert [example.key for example in shown] == ["ape-000001", "bee-000002", "cat-000002"]
    for example in shown:
        assert example.kind == "exact"
        assert np.allclose(example.predicted, np.array(GUESS)[:, None, None], atol=1e-6)
        shard, frame = VIDEOS.index(example.key[:3]), int(example.key[-6:])
        assert np.array_equal(example.target, crop(true_flow(shard, frame)))
        assert example.error == pytest.approx(expected([(shard, frame)], "", "exact").epe, rel=1e-5)
        assert example.nearest_error == pytest.approx(expected([(shard, frame)], "", "exact").epe_nearest, rel=1e-5)


def test_a_row_has_the_baselines_and_says_which_flow():
    row = FlowError("demo", "estimated", 12, 2, 9.5, 2.0, 4.0, 2.5).row()
    assert row == Row(
        "demo", "epe", 2.0, "px", "lower", 12, "estimated flow", {"no motion": 4.0, "nearest guidance point": 2.5}
    )
    assert row.improvement() == pytest.approx(20)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with the weights that training starts from."""
    folder = tmp_path_factory.mktemp("experiments") / "small_cmp"
    options = options_of()
    save_model(folder / "model.safetensors", create_network(METHOD, options), METHOD, options, Split(0.4))
    return folder


def run(dataset: Path, to: Path, *words: str) -> Measurement:
    done = CliRunner().invoke(
        app, ["evaluate", "propagation", *map(str, view(dataset)), "--to", str(to), "--workers", "0", *words]
    )
    if done.exception:
        raise done.exception
    assert done.stdout == f"wrote {to}\n"
    return read_result(to)


def test_a_saved_model_has_its_rows_and_its_picture(dataset: Path, experiment: Path, tmp_path: Path):
    one = run(dataset, tmp_path / "model.json", "--model", str(experiment))
    assert (one.evaluation, one.experiment, one.start, one.side) == ("propagation", "small_cmp", "model", "held out")
    assert one.views == tuple(map(str, view(dataset)))
    assert one.options == {"pictured": 6}
    options = options_of()
    net = create_network(METHOD, options)
    expected_rows = [
        error.row() for error in evaluate(net, options, open_parts(options, view(dataset), "held out", 0.4))
    ]
    assert list(one.result.rows) == expected_rows
    assert [(row.dataset, row.subset) for row in one.result.rows] == [
        ("small", "estimated flow"),
        ("small", "exact flow"),
    ]
    (picture,) = one.result.pictures
    sheet = cv2.imdecode(np.frombuffer(picture.png, np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape[1] == pytest.approx(1200, abs=10)
    assert "Guidance points a sample, mean: " in one.result.note
    assert [part["subset"] for part in one.result.about["parts"]] == ["estimated flow", "exact flow"]


def test_the_same_model_gives_the_same_result_however_it_is_named(dataset: Path, experiment: Path, tmp_path: Path):
    named = ["--method", "cmp", "--method-options", json.dumps(OPTIONS), "--split", '{"validation_share": 0.4}']
    to = tmp_path / "experiments/small_cmp/evaluations/propagation"
    first = run(dataset, tmp_path / "model.json", "--model", str(experiment))
    weights = ["--start", "model", "--weights", str(experiment / "model.safetensors")]
    second = run(dataset, to / "model.json", *named, *weights, "--workers", "2")
    assert (second.experiment, second.result) == (first.experiment, first.result)
    # The network was saved as its seed draws it.
    scratch = run(dataset, to / "scratch.json", *named, "--start", "scratch")
    assert (scratch.start, scratch.result.rows) == ("scratch", first.result.rows)
    other = run(dataset, to / "other.json", *named, "--start", str(experiment / "model.safetensors"))
    assert (other.start, other.result.rows) == ("small_cmp", first.result.rows)


def test_views_at_an_address_are_measured_too(
    dataset: Path, experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COMMON_FATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(dataset / "shards/cmp") as server:
        words = ["evaluate", "propagation", server.url, "--model", str(experiment), "--side", "all"]
        done = CliRunner().invoke(app, [*words, "--to", str(tmp_path / "model.json"), "--cache-gb", "1"])
    assert done.exception is None, done.exception
    (row,) = read_result(tmp_path / "model.json").result.rows
    assert (row.dataset, row.subset, row.samples) == ("shared", "estimated flow", 11)


def test_how_many_are_pictured_is_an_option(dataset: Path, experiment: Path, tmp_path: Path):
    none = run(dataset, tmp_path / "a.json", "--model", str(experiment), "--options", '{"pictured": 0}')
    assert none.result.pictures == ()


def test_what_cannot_be_measured_is_refused(dataset: Path, experiment: Path, tmp_path: Path):
    to, model = tmp_path / "model.json", ["--model", str(experiment)]
    with pytest.raises(UserError, match="--side test: should be one of 'held out', 'all'"):
        run(dataset, to, *model, "--side", "test")
    with pytest.raises(UserError, match="none of 3 videos is held out"):
        run(dataset, to, "--method", "cmp", "--method-options", json.dumps(OPTIONS), "--start", "scratch")
    with pytest.raises(UserError, match="--options: pictured is -1"):
        run(dataset, to, *model, "--options", '{"pictured": -1}')
    with pytest.raises(UserError, match="--start model needs --weights"):
        run(dataset, to, "--method", "cmp")
    with pytest.raises(UserError, match="what should be measured"):
        run(dataset, to)
    with pytest.raises(UserError, match=r"--method-options: model\.encoder is 'none'"):
        run(dataset, to, "--method", "cmp", "--method-options", '{"model": {"encoder": "none"}}')
    for words, why in (
        (["evaluate", "none", "--to", str(to)], "there is no evaluation 'none': should be one of "),
        (["evaluate", "propagation", "--to", str(to), *model], "measures on views: give some"),
    ):
        assert why in str(CliRunner().invoke(app, words).exception)
    assert not to.exists()
