"""Experiments of a configuration: resolved, or refused in one line."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.numpy import save

from common_fate.errors import UserError
from pipeline.config.load import load as configuration
from tests.support.boxed_shapes import shapes, write_coco
from trainers import references, schema
from trainers.declarations import Evaluation, Method
from trainers.engine.options import TrainingOptions, TransformOptions, build
from trainers.experiments import Experiment, check_data, grids, load
from trainers.methods.cmp.options import CMPOptions
from trainers.models.weights_file import metadata
from trainers.planning import check_held_out, check_videos
from trainers.registry import EVALUATIONS, METHODS

ROOT = Path(__file__).resolve().parents[2]
DATASETS: dict[str, Any] = {
    "demo": {"source": {"kind": "synthetic"}},
    "other": {"source": {"kind": "synthetic", "seed": 1}},
    "stills": {"source": {"kind": "images", "path": "*.jpg"}},
}
HELD: dict[str, Any] = {"method": "cmp", "train": ["demo"], "validation": {"share": 0.25}}


def resolve(datasets: dict[str, Any] = DATASETS, /, **experiments: Any) -> dict[str, Experiment]:
    config = {"datasets": datasets, "experiments": experiments}
    return load(config, configuration(config, "c.yaml"), "c.yaml")


def one(**keys: Any) -> Experiment:
    return resolve(x=HELD | keys)["x"]


@dataclass(frozen=True)
class Plain:
    """A method's options with neither data nor model."""

    training: TrainingOptions = field(default_factory=TrainingOptions)
    transforms: TransformOptions = field(default_factory=TransformOptions)
    width: int = field(default=8, metadata={"help": "of the net", "schema": {"minimum": 1}})


@dataclass(frozen=True)
class Counting:
    """An evaluation's options."""

    most: int = 5


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two methods of no encoder, of which one takes the other for a teacher, and what counts any method's samples."""
    two, three = ({"name": "ptlflow:liteflownet", "frames": frames} for frames in (2, 3))
    counted = {"evaluations": ("counting",), "flow_network": lambda options: two}
    for method in (
        Method("plain", Plain, 1, "grouping", "nowhere:Task", teachers=("taught",), **counted),
        Method("taught", Plain, 1, "cmp", "nowhere:Task", flow_network=lambda options: three),
    ):
        monkeypatch.setitem(METHODS, method.name, method)
    monkeypatch.setitem(EVALUATIONS, "counting", Evaluation("counting", Counting, 1, "nowhere:run", "model"))
    schema.experiments_validator.cache_clear()
    yield
    schema.experiments_validator.cache_clear()


def test_no_experiments_are_fine():
    assert load({"datasets": DATASETS}, configuration({"datasets": DATASETS})) == {}


def test_the_default_configuration_trains_on_the_demo():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    found = load(config, configuration(config))
    assert {name: one.views for name, one in found.items()} == {
        "demo": ["results/demo/shards/cmp"],
        "demo_groups": ["results/demo_segments/shards/grouping"],
        "demo_arm": ["results/demo_arm/shards/objects_truth"],
    }
    assert found["demo"].evaluations["propagation"].side == "held out"


@pytest.mark.parametrize("page", sorted((ROOT / "docs/experiments").glob("*.yaml")), ids=lambda page: page.stem)
def test_the_experiments_of_the_docs_are_valid(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config, shared = yaml.safe_load(page.read_text()), ROOT.parent / "shared/data"
    if " data/" in page.read_text():  # real images beside it
        if not shared.is_dir():
            pytest.skip("there is no ../shared/data")
        (tmp_path / "data").symlink_to(shared)
        monkeypatch.chdir(tmp_path)
    assert load(config, configuration(config)).keys() == config.get("experiments", {}).keys()


def test_the_example_of_faces_is_valid():
    """From images to a report, in docs/sources/points.md."""
    examples = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs/sources/points.md").read_text(), re.M | re.S)
    [config] = [read for read in map(yaml.safe_load, examples) if "experiments" in read]
    [one] = load(config, configuration(config)).values()
    assert list(one.evaluations) == ["matching", "landmark_regression"]
    assert one.evaluations["matching"].on == ("people",)


def test_what_is_left_out_has_its_default():
    experiment = one()
    assert build(CMPOptions, experiment.options) == CMPOptions()
    assert experiment.split == {"validation_share": 0.25, "train_share": 1.0}
    assert (experiment.devices, experiment.workers) == (1, 2)
    assert experiment.start is experiment.teacher is experiment.place is None
    assert list(experiment.evaluations) == ["propagation"]
    assert list(experiment.evaluations["propagation"].starts) == ["model"]


def test_an_option_goes_over_the_recipes_which_goes_over_the_default():
    options = one(recipe="annotation", guidance={"kernel_size": 15, "grid_stride": None}).options
    assert options["guidance"]["kernel_size"] == 15
    assert options["guidance"]["grid_stride"] is None
    assert options["model"] == {"encoder": "resnet50", "decoder": "skip", "strides": [1, 2, 4], "width": 128}
    assert options["training"]["batch_size"] == 64
    assert options["training"]["learning_rate"] == 0.1


def test_held_out_videos_of_the_training_views_are_evaluated():
    experiment = one(train=["demo", "other"], train_share=0.5)
    assert experiment.views == ["results/demo/shards/cmp", "results/other/shards/cmp"]
    assert experiment.validation_views == []
    assert experiment.split == {"validation_share": 0.25, "train_share": 0.5}
    assert experiment.evaluations["propagation"].views == experiment.views
    assert experiment.evaluations["propagation"].side == "held out"


def test_other_datasets_are_evaluated_whole():
    experiment = one(validation={"on": ["other"]})
    assert experiment.validation_views == ["results/other/shards/cmp"]
    assert experiment.split["validation_share"] == 0
    found = experiment.evaluations["propagation"]
    assert (found.on, found.side) == (("other",), "all")
    found = one(evaluate={"propagation": {"on": ["other"]}}).evaluations["propagation"]
    assert (found.on, found.side) == (("other",), "all")


def test_what_an_evaluation_learns_from_may_have_been_trained_on():
    datasets = {
        name: {"source": {"kind": "synthetic", "seed": n}, "views": ["objects"]} for n, name in enumerate("abc")
    }
    trained = {"method": "landmarks", "train": ["a"], "validation": {"share": 0.25}}

    def evaluated(**keys: Any) -> Any:
        return resolve(datasets, x=trained | {"evaluate": {"told": {"evaluation": "landmark_regression", **keys}}})

    found = evaluated(on=["a", "b"], labels_from=["a"])["x"].evaluations["told"]
    assert (found.on, found.side) == (("a", "b"), "all")
    found = evaluated(on=["a"])["x"].evaluations["told"]
    assert (found.on, found.side) == (("a",), "held out")
    with pytest.raises(UserError, match=r"told.on\[0\]: 'a' is trained on: give the others an evaluation of their own"):
        evaluated(on=["a", "b", "c"], labels_from=["b"])


def test_the_key_on_needs_no_quotes():
    """YAML 1.1 reads it as true."""
    text = "{method: cmp, train: [demo], validation: {on: [other]}, evaluate: {propagation: {on: [other]}}}"
    experiment = resolve(x=yaml.safe_load(text))["x"]
    assert experiment.validate == experiment.evaluations["propagation"].on == ("other",)
    with pytest.raises(UserError, match=r"experiments\.x\.evaluate\.propagation\.on\[0\]: there is no dataset 'nil'"):
        resolve(x=yaml.safe_load(text.replace("propagation: {on: [other]}", "propagation: {on: [nil]}")))


def test_a_grid_stands_for_its_variants():
    grid = {
        "nets": {"a": {"model": {"strides": [1]}}, "b": {"model": {"strides": [1, 2]}, "devices": 2}},
        "data": {"both": {"train": ["demo", "other"]}, "else": {"validation": {"on": ["other"]}}},
    }
    found = resolve(first=HELD, x=HELD | {"grid": grid, "model": {"encoder": "resnet18"}})
    names = ["x-nets-a", "x-nets-b", "x-data-both", "x-data-else"]
    assert list(found) == ["first", *names]
    assert grids(found) == {"x": names}
    assert found["x-nets-b"].options["model"] == {
        "encoder": "resnet18",
        "decoder": "plain",
        "strides": [1, 2],
        "width": 128,
    }
    assert (found["x-nets-a"].devices, found["x-nets-b"].devices) == (1, 2)
    assert found["x-data-both"].train == ("demo", "other")
    assert (found["x-data-else"].validate, found["x-data-else"].split["validation_share"]) == (("other",), 0)
    assert vars(found["x-nets-a"].place) == {"grid": "x", "axis": "nets", "variant": "a"}
    assert found["x-nets-a"].folder == "results/experiments/x-nets-a"


def test_the_papers_grid_has_its_three_axes():
    found = resolve(x=HELD | {"recipe": "alexnet", "grid": "paper"})
    axes = [experiment.place.axis for experiment in found.values() if experiment.place]
    assert list(dict.fromkeys(axes)) == ["guidance", "nets", "data"]
    assert found["x-nets-s1_2_4_8"].options["model"]["strides"] == [1, 2, 4, 8]
    assert found["x-data-half"].split == {"validation_share": 0.25, "train_share": 0.5}
    assert all(experiment.encoder == "alexnet" for experiment in found.values())


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Any]:
    """Segmentation's data in a folder of the user's own."""
    return {"kind": "folder", "images": str(tmp_path), "masks": str(tmp_path), "classes": ["a", "b"], "hold_out": 0.5}


def test_paths_of_experiments_are_expanded_as_the_shell_does_it(
    images: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    written = images | {"images": "~", "masks": "${HOME}"}
    entries = [one(evaluate={"segmentation": {"data": data}}) for data in (written, images)]
    assert entries[0].evaluations == entries[1].evaluations


def test_an_evaluation_of_the_encoder_starts_from_it_and_from_scratch(images: dict[str, Any]):
    entry = {"data": images, "training": {"iterations": 7}}
    experiment = one(recipe="alexnet", evaluate={"segmentation": entry})
    found = experiment.evaluations["segmentation"]
    assert list(experiment.evaluations) == ["segmentation"], "no others than those that are asked for"
    assert found.starts == {"encoder": "encoder", "scratch": "scratch"}
    assert experiment.weights("segmentation", "encoder") == "results/experiments/x/encoder.safetensors"
    assert experiment.weights("segmentation", "scratch") is None
    assert experiment.shaping("segmentation", "encoder") == {"encoder": "alexnet"}
    assert found.options["training"]["iterations"] == 7
    assert found.options["training"]["batch_size"] == 20, "the recipe of its encoder"
    assert found.views == []


def test_detectors_follow_from_the_encoder_and_their_data_are_looked_at(tmp_path: Path):
    root = write_coco(tmp_path / "coco", train2017=shapes(3), val2017=shapes(5)[3:])
    entry: dict[str, Any] = {"data": {"kind": "coco", "path": str(root)}}
    fast = one(recipe="alexnet", evaluate={"detection": entry})
    faster = one(evaluate={"detection": entry, "instances": entry})
    batches = [each.evaluations["detection"].options["training"]["batch_size"] for each in (fast, faster)]
    assert batches == [2, 16], "the recipes of their encoders"
    assert faster.evaluations["instances"].starts == {"encoder": "encoder", "scratch": "scratch"}
    check_data(faster)
    with pytest.raises(
        UserError, match=r"experiments\.x\.evaluate\.instances\.encoder is 'alexnet': should be one of res"
    ):
        one(recipe="alexnet", evaluate={"instances": entry})
    with pytest.raises(UserError, match=r"x\.evaluate\.detection\.data\.path: there is no file or folder"):
        one(evaluate={"detection": {"data": entry["data"] | {"path": str(tmp_path / "nowhere")}}})
    named = one(evaluate={"detection": {"data": entry["data"] | {"train": "train2014"}}})
    with pytest.raises(
        UserError, match=r"experiments\.x\.evaluate\.detection\.data\.train: there is no annotations/inst"
    ):
        check_data(named)


def test_frozen_features_are_of_the_model(images: dict[str, Any]):
    entry = {"data": images, "frozen": True}
    experiment = one(evaluate={"segmentation": entry})
    assert list(experiment.evaluations["segmentation"].starts) == ["model", "scratch"]
    assert experiment.weights("segmentation", "model") == "results/experiments/x/model.safetensors"
    assert experiment.shaping("segmentation", "scratch")["model"]["encoder"] == "resnet50"
    with pytest.raises(UserError, match=r"start\[0\]: there is no file 'encoder': should be model, scratch"):
        one(evaluate={"segmentation": entry | {"start": ["encoder"]}})


def test_what_an_embedding_looks_like_is_shown_on_the_views_that_train():
    found = one(evaluate={"embedding": {}}).evaluations["embedding"]
    assert (found.view, found.views, found.side) == ("cmp", ["results/demo/shards/cmp"], "held out")
    assert list(found.starts) == ["model", "scratch"]
    with pytest.raises(UserError, match=r"embedding\.on\[0\]: dataset 'stills' has no view cmp"):
        one(evaluate={"embedding": {"on": ["stills"]}})


def test_an_evaluation_may_run_again_under_another_name(images: dict[str, Any]):
    entries = {
        "segmentation": {"data": images},
        "short": {"evaluation": "segmentation", "data": images | {"hold_out": 0.1}},
    }
    found = one(evaluate=entries).evaluations
    assert {name: evaluated.evaluation for name, evaluated in found.items()} == dict.fromkeys(entries, "segmentation")
    assert found["short"].options["data"]["hold_out"] == 0.1
    assert one().result("short", "encoder") == "results/experiments/x/evaluations/short/encoder.json"


def test_variants_of_a_grid_start_from_what_they_trained_alone(images: dict[str, Any]):
    grid = {"data": {"half": {"train_share": 0.5}}}
    (variant,) = resolve(x=HELD | {"grid": grid, "evaluate": {"segmentation": {"data": images}}}).values()
    assert list(variant.evaluations["segmentation"].starts) == ["encoder"]
    both = {"data": images, "start": ["encoder", "scratch"]}
    (variant,) = resolve(x=HELD | {"grid": grid, "evaluate": {"segmentation": both}}).values()
    assert list(variant.evaluations["segmentation"].starts) == ["encoder", "scratch"]


def test_a_checkpoint_is_called_as_its_file_is(images: dict[str, Any], tmp_path: Path):
    (tmp_path / "resnet50-0676.v2.pth").touch()
    starts = [f"{tmp_path}/resnet50-0676.v2.pth", "results/experiments/walker/encoder.safetensors"]
    entry = {"segmentation": {"data": images, "start": starts}}
    found = resolve(walker=HELD, x=HELD | {"evaluate": entry})["x"]
    names = ("resnet50-0676_v2", "walker")
    assert found.evaluations["segmentation"].starts == dict(zip(names, starts, strict=True))
    assert found.weights("segmentation", "walker") == starts[1]


def test_two_checkpoints_of_one_name_are_refused(images: dict[str, Any], tmp_path: Path):
    paths = [tmp_path / "net.pth", tmp_path / "net.safetensors"]
    for path in paths:
        path.touch()
    with pytest.raises(UserError) as refused:
        one(evaluate={"segmentation": {"data": images, "start": [str(path) for path in paths]}})
    says = f"c.yaml: experiments.x.evaluate.segmentation.start[1]: '{paths[1]}' would be called"
    assert str(refused.value).startswith(says)


def test_an_experiment_may_start_from_another(tmp_path: Path):
    (tmp_path / "a.pth").touch()
    found = resolve(a=HELD, b=HELD | {"start": "a"}, c=HELD | {"start": f"{tmp_path}/a.pth"})
    assert found["b"].start == "results/experiments/a/model.safetensors"
    assert found["c"].start == f"{tmp_path}/a.pth"
    encoder = "results/experiments/a/encoder.safetensors"
    assert resolve(a=HELD, b=HELD | {"start": encoder})["b"].start == encoder


GROUPED = {"demo": DATASETS["demo"] | {"views": ["cmp", "grouping"]}, "other": DATASETS["other"]}
PLAIN: dict[str, Any] = {"method": "plain", "train": ["demo"], "validation": {"share": 0.5}}


@pytest.mark.usefixtures("toys")
def test_a_method_needs_neither_data_nor_model_nor_encoder():
    taught = HELD | {"method": "taught"}
    found = resolve(GROUPED, a=taught, x=PLAIN | {"width": 3, "teacher": "a"})["x"]
    assert (found.options["width"], found.encoder) == (3, None)
    assert found.teacher == "results/experiments/a/model.safetensors"
    assert found.views == ["results/demo/shards/grouping"]
    assert found.evaluations["counting"].starts == {"model": "model", "scratch": "scratch"}
    assert found.weights("counting", "model") == "results/experiments/x/model.safetensors"
    assert found.shaping("counting", "scratch")["seed"] == 0
    assert found.evaluations["counting"].views == []


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("experiments", "says"),
    [
        ({"x": PLAIN | {"width": 0}}, "experiments.x.width is 0: should be at least 1"),
        ({"x": PLAIN | {"model": {}}}, "experiments.x.model is not a key"),
        ({"x": HELD | {"teacher": "x"}}, "experiments.x.teacher is not a key"),
        (
            {"a": HELD, "x": PLAIN | {"teacher": "a"}},
            "experiments.x.teacher: 'a' is of the method cmp: should be of taught",
        ),
        (
            {"a": HELD, "x": PLAIN | {"start": "a"}},
            "x.start: 'a', of the method cmp, has no more for it than an encoder, and this experiment of plain has "
            "none: should be an experiment of plain",
        ),
        (
            {"x": PLAIN | {"evaluate": {"propagation": {}}}},
            "x.evaluate.propagation: propagation is of cmp, and this experiment of plain: leave it out",
        ),
        (
            {"x": PLAIN | {"evaluate": {"segmentation": {"data": {"path": "a"}}}}},
            "x.evaluate.segmentation: segmentation needs an image encoder, and plain has none: leave it out",
        ),
        (
            {"x": PLAIN | {"train": ["other"]}},
            "x.train[0]: dataset 'other' has no view grouping: should be one of demo",
        ),
    ],
)
def test_what_a_method_does_not_fit_is_named(experiments: dict[str, Any], says: str):
    with pytest.raises(UserError) as refused:
        resolve(GROUPED, **experiments)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


FLOW = {"flow": {"estimator": "network:experiments.x"}}


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("cmp", "c.yaml: datasets.demo.flow: 'x' is of cmp, which trains no flow network: should be of matching or"),
        (
            "taught",
            "datasets.demo.flow: 'x' reads the frame before each, too: set c.yaml: datasets.demo.frames",
        ),
    ],
)
def test_what_cannot_estimate_a_datasets_flow_is_refused(method: str, says: str):
    with pytest.raises(UserError) as refused:
        resolve(DATASETS | {"demo": DATASETS["demo"] | FLOW}, x=HELD | {"method": method, "train": ["other"]})
    assert says in str(refused.value)


@pytest.mark.usefixtures("toys")
def test_a_network_of_three_frames_is_not_asked_for_flow_back():
    both = {"frames": {"triplets": True}, "flow": FLOW["flow"] | {"backward": True}}
    with pytest.raises(UserError, match=r"demo\.flow: 'x' reads three frames and cannot look back: leave backward out"):
        resolve(DATASETS | {"demo": DATASETS["demo"] | both}, x=HELD | {"method": "taught", "train": ["other"]})


def test_a_network_that_stands_does_not_say_what_the_experiment_reads_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It was trained with other options, and is to be trained again."""
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "results/experiments/x/model.safetensors"
    model.parent.mkdir(parents=True)
    saved(model, flow_network={"name": "selflow", "frames": 3, "options": {"frames": 3}})
    assert resolve(CLIPS | {"other": DATASETS["other"] | FLOW}, x=NOC)


CLIPS = {"clips": {"source": {"kind": "synthetic"}, "frames": {"triplets": True}, "views": ["selflow"]}}
NOC = {
    "method": "selflow",
    "train": ["clips"],
    "validation": {"share": 0.25},
    "network": {"name": "small", "frames": 2},
    "transforms": {"crop": 96},
}
THREE = NOC | {"network": {"name": "selflow", "frames": 3}, "transforms": {"crop": 128}}
STUDENT = NOC | {"loss": {"kind": "occ"}}


def test_flow_is_not_learnt_from_the_weights_of_another_network(tmp_path: Path):
    said = (
        r"x\.start: {} has the network 'selflow' of 3 frames, and this experiment's network is small of 2 frames: both"
    )
    with pytest.raises(UserError, match=said.format("'a'")):
        resolve(CLIPS, a=THREE, x=NOC | {"start": "a"})
    network = {"name": "selflow", "frames": 3, "options": {"frames": 3}}
    file = saved(tmp_path / "a.safetensors", method="selflow", flow_network=network)
    with pytest.raises(UserError, match=said.format(r"'.*a\.safetensors'")):
        resolve(CLIPS, x=NOC | {"start": file})
    assert resolve(CLIPS, x=THREE | {"start": file})["x"].start == file
    assert resolve(CLIPS, a=NOC, x=NOC | {"start": "a"})


def test_the_best_weights_are_kept_where_something_says_which_they_are():
    best = {"training": {"keep": "best"}}
    assert one(**best).options["training"]["keep"] == "best"
    with pytest.raises(UserError, match=r"keep is best, which cmp and similarity know of their weights, and grouping"):
        resolve({"demo": DATASETS["demo"] | {"views": ["grouping"]}}, x=HELD | best | {"method": "grouping"})
    masks = {"images": ".", "masks": ".", "classes": ["a", "b"], "hold_out": 0.5, "kind": "folder"}
    with pytest.raises(UserError, match=r"segmentation\.training\.keep: an evaluation measures the last weights"):
        one(evaluate={"segmentation": {"data": masks} | best})


def test_a_teacher_may_be_of_another_network_where_it_can_read_the_frames(tmp_path: Path):
    said = r"x\.teacher: {}: its network, selflow, reads frames whose sides are multiples of 64: transforms\.crop is 96"
    with pytest.raises(UserError, match=said.format("'a'")):
        resolve(CLIPS, a=THREE, x=STUDENT | {"teacher": "a"})
    file = saved(tmp_path / "a.safetensors", method="selflow", options={})
    with pytest.raises(UserError, match=said.format(r"'.*a\.safetensors'")):
        resolve(CLIPS, x=STUDENT | {"teacher": file})
    assert resolve(CLIPS, x=STUDENT | {"teacher": file, "transforms": {"crop": 128}})["x"].teacher == file
    assert resolve(CLIPS, a=THREE | {"network": {"frames": 2}}, x=THREE | {"loss": {"kind": "occ"}, "teacher": "a"})
    strange = saved(tmp_path / "b.safetensors", method="selflow", options={"network": {"name": "raft"}})
    with pytest.raises(UserError, match=r"x\.teacher: '.*b\.safetensors': network\.name is 'raft': should be one of"):
        resolve(CLIPS, x=STUDENT | {"teacher": strange})


def test_the_network_of_an_experiment_where_there_are_none():
    flow = {"flow": {"estimator": "network:experiments.nope"}}
    with pytest.raises(UserError, match=r"demo\.flow: there is no experiment 'nope': there are no experiments here$"):
        resolve({"demo": DATASETS["demo"] | flow})


@pytest.mark.usefixtures("toys")
def test_what_waits_for_itself_names_the_circle():
    with pytest.raises(UserError) as refused:
        resolve(a=HELD | {"start": "c"}, b=HELD | {"start": "a"}, c=HELD | {"start": "b"})
    assert str(refused.value) == (
        "c.yaml: experiments.a waits for experiments.c, which waits for experiments.b, which waits for experiments.a: "
        "none of them could be made first"
    )
    triplets = DATASETS["demo"] | FLOW | {"frames": {"triplets": True}}
    with pytest.raises(UserError) as refused:
        resolve(DATASETS | {"demo": triplets}, x=HELD | {"method": "taught"})
    assert "datasets.demo.flow waits for experiments.x, which waits for datasets.demo.flow" in str(refused.value)


@pytest.mark.usefixtures("toys")
def test_a_network_may_make_the_flow_of_what_it_does_not_train_on():
    triplets = DATASETS["other"] | FLOW | {"frames": {"triplets": True}}
    assert resolve(DATASETS | {"other": triplets}, x=HELD | {"method": "taught"})
    # Of what it trains on, too, where no column that it reads is made from the flow.
    assert resolve({"demo": GROUPED["demo"] | FLOW}, x=PLAIN)
    with pytest.raises(
        UserError, match=r"c\.yaml: datasets\.other\.flow: there is no experiment 'x': should be one of y"
    ):
        resolve(DATASETS | {"other": DATASETS["other"] | FLOW}, y=HELD)


def test_the_schema_accepts_every_default():
    values = one().options
    assert one(**values).options == values


def test_the_schema_and_the_docs_tables_are_those_of_the_options():
    """`make schema` writes them anew."""
    stale = [str(path.relative_to(ROOT)) for path, text in schema.generated().items() if path.read_text() != text]
    assert not stale, "run: make schema"


def _made(option: Field[Any]) -> Any:
    return option.default if option.default_factory is MISSING else option.default_factory()


def test_every_option_says_what_it_is():
    silent = [
        f"{name}.{option}"
        for name, options in schema.documented()
        for option, known in options.__dataclass_fields__.items()
        if not known.metadata.get("help") and not is_dataclass(_made(known))  # which says so itself
    ]
    assert not silent


def test_snakemake_reads_experiments_without_torch():
    code = "import sys, trainers.experiments; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


VOC = {"kind": "voc", "path": "nowhere/VOC2012"}
NAMED: dict[str, Any] = {"segmentation": {"data": VOC}}


@pytest.mark.parametrize(
    ("experiment", "says"),
    [
        ({"train": ["demo"]}, "experiments.x lacks method, which is required"),
        ({"method": "cmp"}, "experiments.x lacks train, which is required"),
        (
            {"method": "cnp", "train": ["demo"]},
            f"experiments.x.method is 'cnp': should be one of {', '.join(METHODS)} (did you mean cmp?",
        ),
        (
            HELD | {"recipe": "resnet5"},
            "x.recipe is 'resnet5': should be one of alexnet, resnet50, parsing, annotation",
        ),
        (
            {"method": "cmp", "trian": ["demo"], "validation": {"share": 0.1}},
            "experiments.x.trian is not a key: did you mean train?",
        ),
        (
            {"metod": "cmp", "train": ["demo"], "validation": {"share": 0.1}},
            "experiments.x.metod is not a key: did you mean method?",
        ),
        (
            HELD | {"training": {"learning_rate": "1e-3"}},
            "experiments.x.training.learning_rate: YAML reads 1e-3 as text: write 1.0e-3",
        ),
        (HELD | {"start": "x" * 3000}, "experiments.x.start: there is no experiment 'xxx"),
        (HELD | {"start": "x" * 3000 + ".pth"}, "experiments.x.start: there is no file 'xxx"),
        (HELD | {"trian": ["demo"]}, "experiments.x.trian is not a key: did you mean train?"),
        (HELD | {"train": []}, "experiments.x.train is empty: should have at least 1 entry"),
        (HELD | {"train": ["demo", "demo"]}, "experiments.x.train names demo twice: leave one out"),
        (
            HELD | {"train": ["demo", "dmeo"]},
            "experiments.x.train[1]: there is no dataset 'dmeo': should be one of demo, other, stills",
        ),
        (
            HELD | {"train": ["stills"]},
            "experiments.x.train[0]: dataset 'stills' has no view cmp: should be one of demo",
        ),
        (
            HELD | {"validation": {"on": ["nil"]}},
            "experiments.x.validation.on[0]: there is no dataset 'nil': should be one of demo,",
        ),
        (
            HELD | {"validation": {"on": ["demo"]}},
            "experiments.x.validation.on[0]: 'demo' is trained on: leave it out here",
        ),
        ({"method": "cmp", "train": ["demo"]}, "experiments.x: nothing is left to measure it on: hold out a share"),
        (HELD | {"validation": {"share": 1}}, "experiments.x.validation.share is 1: should be below 1"),
        (
            HELD | {"validation": {"share": 0.1, "on": ["other"]}},
            "x.validation has 2 keys: should have one of share, on",
        ),
        (HELD | {"train_share": 0}, "experiments.x.train_share is 0: should be above 0"),
        (HELD | {"devices": 0}, "experiments.x.devices is 0: should be at least 1"),
        (HELD | {"devices": 3}, "x.training.batch_size is 160, which 3 devices cannot share evenly: take a multiple"),
        (
            HELD | {"nodes": 1, "devices": 5, "evaluate": {"segmentation": {"data": VOC}}},
            "x.evaluate.segmentation.training.batch_size is 16, which 5 devices cannot share evenly",
        ),
        (HELD | {"training": {"iteration": 5}}, "x.training.iteration is not a key: did you mean iterations?"),
        (HELD | {"training": {"iterations": "42k"}}, "x.training.iterations is '42k': should be an integer"),
        (HELD | {"training": {"iterations": 0}}, "experiments.x.training.iterations is 0: "),
        (HELD | {"training": {"accumulation": 7}}, "x.training.accumulation is 7: should divide batch_size, 160"),
        (HELD | {"model": {"encoder": "vgg"}}, "experiments.x.model.encoder is 'vgg': should be one of resnet50,"),
        (HELD | {"transforms": {"scale": [1]}}, "experiments.x.transforms.scale has 1 entries: should have 2"),
        (HELD | {"guidance": {"grid_stride": "none"}}, "grid_stride is 'none': should be an integer or null"),
        (
            HELD | {"transforms": {"crop": 417}},
            "experiments.x.transforms.crop is 417, and no frame is larger than 416 pixels at its shorter side "
            "(experiments.x.transforms.shorter_side): should be at most that",
        ),
        (
            HELD | {"transforms": {"crop": 417, "shorter_side": None}},
            "crop is 417, and no frame is larger than 416 pixels at its shorter side "
            "(datasets.demo.frames.shorter_side)",
        ),
        (HELD | {"grid": "papr"}, "experiments.x.grid is 'papr': should be one of paper (did you mean paper?)"),
        (HELD | {"grid": {}}, "experiments.x.grid is empty"),
        (HELD | {"grid": {"a-b": {"c": {}}}}, "x.grid.a-b: the name of an axis has letters, digits and _"),
        (HELD | {"grid": {"a\n": {"c": {}}}}, "x.grid.'a\\n': the name of an axis has letters, digits and _"),
        (HELD | {"grid": {"a": {"c\n": {}}}}, "x.grid.a.'c\\n': the name of a variant has letters, digits and _"),
        (HELD | {"grid": {"a": {2016: {}}}}, "x.grid.a.2016: YAML reads the name of a variant here as a number: write"),
        (HELD | {"grid": {"a": {"b": {"grid": {}}}}}, "experiments.x.grid.a.b.grid is not a key"),
        (
            HELD | {"grid": {"a": {"b": {"train": ["nil"]}}}},
            "experiments.x.grid.a.b.train[0]: there is no dataset 'nil'",
        ),
        (HELD | {"grid": {"a": {"b": {"loss": {"bins": 4}}}}}, "experiments.x.grid.a.b.loss.bins is 4: odd"),
        (HELD | {"start": "y"}, "experiments.x.start: there is no experiment 'y': should be one of x, or a checkpoint"),
        (HELD | {"start": "a/b.pth"}, "experiments.x.start: there is no file 'a/b.pth'"),
        (
            HELD | {"evaluate": {"segmentaton": {}}},
            "x.evaluate.segmentaton: there is no evaluation 'segmentaton': should be one of "
            f"{', '.join(EVALUATIONS)} (did you mean segmentation?)",
        ),
        (
            HELD | {"evaluate": {"mine": {"evaluation": "voc"}}},
            "experiments.x.evaluate.mine: there is no evaluation 'voc'",
        ),
        (HELD | {"evaluate": {"segmentation": {}}}, "experiments.x.evaluate.segmentation lacks data"),
        (HELD | {"evaluate": {"segmentation": {"data": VOC, "on": ["demo"]}}}, "evaluate.segmentation.on is not a key"),
        (HELD | {"evaluate": NAMED}, "evaluate.segmentation.data.path: there is no file or folder 'nowhere/VOC2012'"),
        (
            HELD | {"evaluate": {"segmentation": {"data": {}}}},
            "x.evaluate.segmentation.data.path is missing: where VOCdevkit",
        ),
        (
            HELD | {"evaluate": {"segmentation": {"data": VOC, "start": ["scratch", "a.pth"]}}},
            "segmentation.start[1]: there is no file 'a.pth': should be encoder, scratch, or a checkpoint's path",
        ),
        (
            HELD | {"evaluate": {"propagation": {"on": ["demo", "other"]}}},
            "propagation.on[0]: 'demo' is trained on: give the others an evaluation of their own",
        ),
        (
            HELD | {"validation": {"on": ["other"]}, "evaluate": {"propagation": {"on": ["demo"]}}},
            "x.evaluate.propagation.on[0]: 'demo' is trained on: leave it out here, or hold some of its videos out",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(experiment: dict[str, Any], says: str):
    with pytest.raises(UserError) as refused:
        resolve(x=experiment)
    assert says in str(refused.value)
    assert str(refused.value).startswith("c.yaml: experiments.x")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("world", "loss", "says"),
    [
        ("triskelion", {"symmetry": "rotational", "order": 3}, None),
        ("two_arms", {"symmetry": "bilateral"}, None),
        ("roboarm", {"order": 5}, None),
        ("triskelion", {"symmetry": "rotational", "order": 4}, "loss.order is 4, and the world triskelion has a symm"),
        (
            "sphere",
            {"symmetry": "rotational"},
            "loss.symmetry is rotational, and the world sphere has no",
        ),
        (
            "sphere",
            {"symmetry": "bilateral"},
            "loss.symmetry is bilateral, which the world sphere is not: two",
        ),
    ],
)
def test_a_symmetry_that_a_world_lacks_is_refused(world: str, loss: dict[str, Any], says: str | None):
    """Of films nothing is known."""
    source = {"kind": "world", "world": world}
    datasets = {"thing": {"source": source, "views": ["objects_truth"]}}
    films = {"films": {"source": {"kind": "synthetic"}, "views": ["objects_truth"]}}
    keys = {"method": "objects", "validation": {"share": 0.5}, "loss": loss}
    resolve(films, x=keys | {"train": ["films"]})
    if says is None:
        resolve(datasets, x=keys | {"train": ["thing"]})
        return
    with pytest.raises(UserError, match=rf"experiments\.x\.{says}.* \(datasets\.thing\)"):
        resolve(datasets | films, x=keys | {"train": ["films", "thing"]})


def test_what_is_refused_of_a_recipe_is_said_to_be_of_it():
    small = {"method": "objects", "recipe": "small", "train": ["arm"], "validation": {"share": 0.5}}
    arm = {"arm": {"source": {"kind": "world", "world": "roboarm"}, "views": ["objects_truth"]}}
    with pytest.raises(UserError, match=r"x\.training\.warmup is 100: from .*, 50; it is of the recipe small: write"):
        resolve(arm, x=small | {"training": {"iterations": 50}})
    with pytest.raises(UserError, match=r"x\.training\.warmup is 60: from 0 to less than iterations, 50$"):
        resolve(arm, x=small | {"training": {"iterations": 50, "warmup": 60}})


def test_whole_numbers_written_as_floats_are_integers():
    floats = one(workers=2.0, devices=1.0, training={"iterations": 7.0}, evaluate={"propagation": {"pictured": 2.0}})
    assert repr(floats) == repr(
        one(workers=2, devices=1, training={"iterations": 7}, evaluate={"propagation": {"pictured": 2}})
    )


def test_an_evaluation_s_name_is_on_one_line():
    with pytest.raises(UserError, match=r"x\.evaluate\.'a\\nb': there is no evaluation 'a\\nb': should"):
        one(evaluate={"a\nb": {}})


def test_two_encoders_are_no_start():
    with pytest.raises(
        UserError, match=r"x\.start: 'a', of the method cmp, has the encoder resnet18, and this experiment's is"
    ):
        resolve(a=HELD | {"model": {"encoder": "resnet18"}}, x=HELD | {"start": "a"})


def saved(path: Path, **about: Any) -> str:
    """A file of weights of this project, with nothing in it but what it says about itself."""
    path.write_bytes(save({}, metadata(**about)))
    return str(path)


def test_a_file_that_does_not_fit_is_no_start(tmp_path: Path):
    fits = saved(tmp_path / "a.safetensors", method="else", encoder="resnet50")
    assert one(start=fits).start == fits
    for number, (about, says) in enumerate(
        (
            ({"encoder": "alexnet"}, "has the encoder alexnet, and this"),
            ({"encoder": None}, "has no image encoder, and"),
        )
    ):
        with pytest.raises(UserError, match=says):
            one(start=saved(tmp_path / f"{number}.safetensors", method="else", **about))


def test_the_flow_network_that_comes_with_the_project_is_a_start_where_the_options_make_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shipped = tmp_path / "flow.safetensors"
    monkeypatch.setattr(references, "SHIPPED", shipped)
    films = {"demo": {"source": {"kind": "synthetic"}, "frames": {"triplets": True}, "views": ["flow"]}}
    small = {
        "method": "selflow",
        "recipe": "small",
        "train": ["demo"],
        "validation": {"share": 0.5},
        "start": "network",
    }
    with pytest.raises(UserError, match=r"x\.start: 'network' means the weights that come with this project, and none"):
        resolve(films, x=small)
    saved(shipped, flow_network={"name": "small", "options": {}, "frames": 2})
    assert resolve(films, x=small)["x"].start == str(shipped)
    with pytest.raises(UserError, match="has no more for it than an encoder, and this experiment of selflow has none"):
        resolve(films, x=small | {"network": {"name": "liteflownet", "frames": 2}})
    encoder = {"name": "encoder", "encoder": "resnet18"}
    with pytest.raises(UserError, match="has no image encoder, and this experiment's is resnet18: both should have"):
        resolve(films, x=small | {"method": "matching", "descriptor": encoder})


FILMS: dict[str, Any] = {
    "demo": {
        "source": {"kind": "synthetic"},
        "frames": {"triplets": True},
        "views": ["cmp", "flow", "objects", "objects_flow"],
    }
}
MATCHED: dict[str, Any] = {
    "method": "matching",
    "train": ["demo"],
    "validation": {"share": 0.5},
    "descriptor": {"name": "encoder", "encoder": "resnet18"},
}


def test_the_encoder_of_any_experiment_describes_patches_and_estimates_flow():
    film = {**FILMS, "film": {"source": {"kind": "synthetic"}, "flow": {"estimator": "network:experiments.x"}}}
    other = HELD | {"model": {"encoder": "resnet18"}}
    found = resolve(film, a=other, x=MATCHED | {"start": "a", "evaluate": {"correspondence": {}, "flow": {}}})["x"]
    assert found.start == "results/experiments/a/encoder.safetensors"
    assert found.encoder == "resnet18"
    assert list(found.evaluations) == ["correspondence", "flow"]
    whole = resolve(FILMS, y=MATCHED, x=MATCHED | {"start": "y"})["x"]
    assert whole.start == "results/experiments/y/model.safetensors"
    back = resolve(FILMS, y=MATCHED, x=other | {"start": "y"})["x"]
    assert back.start == "results/experiments/y/encoder.safetensors"


@pytest.mark.parametrize(
    ("start", "own", "message"),
    [
        (HELD, {}, "'a', of the method cmp, has the encoder resnet50, and this experiment's is resnet18"),
        (
            HELD,
            {"descriptor": {}},
            "'a', of the method cmp, has no more for it than an encoder, and this experiment of",
        ),
        (MATCHED | {"descriptor": {"name": "gradients"}}, {}, "'a', of the method matching, has no image encoder, and"),
        (MATCHED, {"descriptor": {}}, "'a' has a network of descriptor 'encoder', and this experiment's has 'convol"),
        (
            MATCHED,
            {"pyramid": {"levels": 3}},
            "'a' has a network of levels 6, and this experiment's has 3: both should",
        ),
    ],
)
def test_what_cannot_describe_patches_is_no_start(start: dict[str, Any], own: dict[str, Any], message: str):
    with pytest.raises(UserError, match=f"^c.yaml: experiments.x.start: {re.escape(message)}"):
        resolve(FILMS, a=start, x=MATCHED | own | {"start": "a"})


@pytest.mark.parametrize(("pairs", "view"), [("truth", "flow"), ("flow", "objects_flow"), ("warp", "objects")])
def test_matches_are_learnt_from_any_pairs_and_measured_by_themselves_where_motion_is_exact(pairs: str, view: str):
    found = resolve(FILMS, x=MATCHED | {"pairs": pairs})["x"]
    assert found.views == [f"results/demo/shards/{view}"]
    assert list(found.evaluations) == (["correspondence"] if pairs == "truth" else [])
    with pytest.raises(UserError, match=rf"x\.train\[0\]: dataset 'demo' has no view {view}"):
        resolve({"demo": FILMS["demo"] | {"views": ["cmp"]}}, x=MATCHED | {"pairs": pairs})


@pytest.mark.usefixtures("toys")
def test_a_file_may_teach_where_it_is_of_a_method_that_does(tmp_path: Path):
    fits = saved(tmp_path / "a.safetensors", method="taught", encoder=None)
    assert resolve(GROUPED, x=PLAIN | {"teacher": fits})["x"].teacher == fits
    with pytest.raises(UserError, match=r"x\.teacher: '.*b\.safetensors' is of the method cmp: should be of taught"):
        resolve(GROUPED, x=PLAIN | {"teacher": saved(tmp_path / "b.safetensors", method="cmp")})
    (tmp_path / "c.pth").touch()
    with pytest.raises(UserError, match=r"'.*c\.pth' is no model\.safetensors of an experiment: should be of taught"):
        resolve(GROUPED, x=PLAIN | {"teacher": f"{tmp_path}/c.pth"})


def test_a_grid_is_no_start_but_its_variants_are():
    grid = HELD | {"grid": {"a": {"b": {"train_share": 0.5}}}}
    assert resolve(g=grid, x=HELD | {"start": "g-a-b"})["x"].start == "results/experiments/g-a-b/model.safetensors"
    with pytest.raises(UserError, match=r"experiments\.x\.start: 'g' is a grid: should be one of g-a-b"):
        resolve(g=grid, x=HELD | {"start": "g"})


@pytest.mark.parametrize(("name", "kind"), [(2016, "a number"), (False, "true or false"), (None, "nothing")])
def test_a_name_that_yaml_takes_for_something_else_is_to_be_quoted(name: Any, kind: str):
    config = {"datasets": DATASETS, "experiments": {name: HELD}}
    with pytest.raises(UserError, match=f"YAML reads an experiment's name here as {kind}: write it in quotes"):
        load(config, configuration(config))


def test_a_name_has_letters_digits_and_underscores():
    with pytest.raises(UserError, match=r"experiments\.a-b: an experiment's name has letters, digits and _ only"):
        resolve(**{"a-b": HELD})


def test_where_no_dataset_has_the_view_it_is_to_be_added():
    datasets = {"stills": DATASETS["stills"]}
    with pytest.raises(UserError, match=r"dataset 'stills' has no view cmp: add cmp to datasets\.stills\.views"):
        resolve(datasets, x=HELD | {"train": ["stills"]})


def test_nothing_is_held_out_of_nothing():
    with pytest.raises(UserError, match=r"hold_out is 0\.1: there are no images to hold out of: add images"):
        check_held_out([], 0.1, "data.hold_out", "images", "add images")


VIDEOS = [f"v{number}" for number in range(8)]


@pytest.mark.parametrize(
    ("videos", "shares", "says"),
    [
        (VIDEOS, (0.001, 1), "validation.share is 0.001: none of 8 videos is held out: should be at least 0.01"),
        (VIDEOS, (0.99, 1), "validation.share is 0.99: none of 8 videos is left to train on: should be at most 0.98"),
        (VIDEOS[:1], (0.5, 1), "validation.share is 0.5: none of 1 videos is left to train on: add videos, or"),
        (VIDEOS[:4], (0.3, 0.01), "train_share is 0.01: none of 2 videos is trained on: should be at least 0.067"),
    ],
)
def test_videos_too_few_for_a_share_name_the_share_that_works(
    videos: list[str], shares: tuple[float, float], says: str
):
    with pytest.raises(UserError) as refused:
        check_videos(videos, *shares, "c.yaml: experiments.x")
    assert says in str(refused.value)
    if "should be" in says:
        right = float(says.split()[-1])
        check_videos(videos, *((shares[0], right) if "train_share" in says else (right, shares[1])), "")
