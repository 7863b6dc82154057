"""Experiments of a configuration: resolved, or refused in one line."""

import subprocess
import sys
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from common_fate.errors import UserError
from pipeline.config import load as configuration
from pipeline.config.load import SCHEMA
from trainers.engine.options import build
from trainers.evaluations.segmentation.options import SegmentationOptions, segmentation_options
from trainers.experiments import METHODS, Experiment, grids, load
from trainers.methods.cmp.options import CMPOptions

DEFINITIONS = yaml.safe_load(SCHEMA.read_text())["$defs"]
DATASETS: dict[str, Any] = {
    "demo": {"source": {"kind": "synthetic"}},
    "other": {"source": {"kind": "synthetic", "seed": 1}},
    "stills": {"source": {"kind": "images", "path": "*.jpg"}},
}
HELD: dict[str, Any] = {"method": "cmp", "train": ["demo"], "data": {"hold_out": 0.25}}


def resolve(**experiments: Any) -> dict[str, Experiment]:
    config = {"datasets": DATASETS, "experiments": experiments}
    return load(config, configuration.load(config, "c.yaml"), "c.yaml")


def one(**keys: Any) -> Experiment:
    return resolve(x=HELD | keys)["x"]


def test_no_experiments_are_fine():
    assert load({"datasets": DATASETS}, configuration.load({"datasets": DATASETS})) == {}


def test_the_default_configuration_trains_on_the_demo():
    config = yaml.safe_load((SCHEMA.parents[2] / "config.yaml").read_text())
    (experiment,) = load(config, configuration.load(config)).values()
    assert experiment.views == ["results/demo/shards/cmp"]
    assert experiment.side == "held out"


def test_what_is_left_out_has_its_default():
    experiment = one()
    assert build(CMPOptions, experiment.options) == build(CMPOptions, {"data": {"hold_out": 0.25}})
    assert (experiment.devices, experiment.workers) == (1, 2)
    assert experiment.segmentation is experiment.place is None


def test_an_option_goes_over_the_recipes_which_goes_over_the_default():
    options = one(recipe="annotation", guidance={"kernel_size": 15, "grid_stride": None}).options
    assert options["guidance"]["kernel_size"] == 15
    assert options["guidance"]["grid_stride"] is None
    assert options["model"] == {"encoder": "resnet50", "decoder": "skip", "strides": [1, 2, 4]}
    assert options["training"]["batch_size"] == 64
    assert options["training"]["learning_rate"] == 0.1


def test_held_out_videos_of_the_training_views_are_evaluated():
    experiment = one(train=["demo", "other"])
    assert experiment.views == ["results/demo/shards/cmp", "results/other/shards/cmp"]
    assert experiment.validation_views == []
    assert experiment.evaluated_views == experiment.views
    assert experiment.side == "held out"


def test_other_datasets_are_evaluated_whole():
    experiment = resolve(x={"method": "cmp", "train": ["demo"], "validate": ["other"]})["x"]
    assert experiment.validation_views == experiment.evaluated_views == ["results/other/shards/cmp"]
    assert experiment.evaluated == ("other",)
    assert experiment.side == "all"


def test_a_grid_stands_for_its_variants():
    grid = {
        "nets": {"a": {"model": {"strides": [1]}}, "b": {"model": {"strides": [1, 2]}}},
        "data": {"both": {"train": ["demo", "other"]}},
    }
    found = resolve(first=HELD, x=HELD | {"grid": grid, "model": {"encoder": "resnet18"}})
    assert list(found) == ["first", "x-nets-a", "x-nets-b", "x-data-both"]
    assert grids(found) == {"x": ["x-nets-a", "x-nets-b", "x-data-both"]}
    assert found["x-nets-b"].options["model"] == {"encoder": "resnet18", "decoder": "plain", "strides": [1, 2]}
    assert found["x-data-both"].train == ("demo", "other")
    assert asdict(found["x-nets-a"])["place"] == {"grid": "x", "axis": "nets", "variant": "a"}
    assert found["x-nets-a"].folder == "results/experiments/x-nets-a"


def test_the_papers_grid_has_its_three_axes():
    found = resolve(x=HELD | {"recipe": "alexnet", "grid": "paper"})
    axes = [experiment.place.axis for experiment in found.values() if experiment.place]
    assert list(dict.fromkeys(axes)) == ["guidance", "nets", "data"]
    assert found["x-nets-s1_2_4_8"].options["model"]["strides"] == [1, 2, 4, 8]
    assert found["x-data-half"].options["data"] == {"hold_out": 0.25, "share": 0.5}
    assert all(experiment.options["model"]["encoder"] == "alexnet" for experiment in found.values())


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Any]:
    """Segmentation's data in a folder of the user's own."""
    return {"kind": "folder", "images": str(tmp_path), "masks": str(tmp_path), "classes": ["a", "b"], "hold_out": 0.5}


def test_segmentation_starts_from_the_encoder_and_from_scratch(images: dict[str, Any]):
    found = one(recipe="alexnet", segmentation={"data": images, "training": {"iterations": 7}}).segmentation
    assert found is not None
    assert found.encoder == "alexnet"
    assert found.starts == {"encoder": "encoder", "scratch": "scratch"}
    wanted = segmentation_options("alexnet", {"data": images, "training": {"iterations": 7}})
    assert build(SegmentationOptions, found.options) == wanted


def test_variants_of_a_grid_start_from_their_encoders_alone(images: dict[str, Any]):
    grid = {"data": {"half": {"data": {"share": 0.5}}}}
    (variant,) = resolve(x=HELD | {"grid": grid, "segmentation": {"data": images}}).values()
    assert variant.segmentation is not None
    assert list(variant.segmentation.starts) == ["encoder"]
    both = {"data": images, "start": ["encoder", "scratch"]}
    (variant,) = resolve(x=HELD | {"grid": grid, "segmentation": both}).values()
    assert variant.segmentation is not None
    assert list(variant.segmentation.starts) == ["encoder", "scratch"]


def test_a_checkpoint_is_called_as_its_file_is(images: dict[str, Any], tmp_path: Path):
    (tmp_path / "resnet50-0676.v2.pth").touch()
    starts = [f"{tmp_path}/resnet50-0676.v2.pth", "results/experiments/walker/encoder.safetensors"]
    found = one(segmentation={"data": images, "start": starts}).segmentation
    assert found is not None
    assert found.starts == dict(zip(("resnet50-0676_v2", "walker"), starts, strict=True))


def test_two_checkpoints_of_one_name_are_refused(images: dict[str, Any], tmp_path: Path):
    paths = [tmp_path / "net.pth", tmp_path / "net.safetensors"]
    for path in paths:
        path.touch()
    with pytest.raises(UserError) as refused:
        one(segmentation={"data": images, "start": [str(path) for path in paths]})
    assert str(refused.value).startswith(f"c.yaml: experiments.x.segmentation.start[1]: '{paths[1]}' would be called")


def keys_of(options: type) -> set[str]:
    return {field.name for field in fields(options)}


def options_in(options: type, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], type]:
    """A dataclass and those within it, by their path."""
    hints = get_type_hints(options)
    inner = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    found = {path: options}
    for name, hint in inner.items():
        found |= options_in(hint, (*path, name))  # type: ignore[arg-type]
    return found


def definition(start: str, path: tuple[str, ...]) -> dict[str, Any]:
    """What the schema has at a path below one of its definitions."""
    found = DEFINITIONS[start]
    for key in path:
        found = found["properties"][key]
        found = DEFINITIONS[found["$ref"].rpartition("/")[2]]
    return found


OF_EXPERIMENTS = {"method", "recipe", "train", "validate", "nodes", "devices", "workers", "segmentation", "grid"}


@pytest.mark.parametrize(
    ("start", "path", "options", "others"),
    [
        *(("cmp", path, options, OF_EXPERIMENTS) for path, options in options_in(CMPOptions).items()),
        *(("cmp_variant", path, options, {"train", "validate"}) for path, options in options_in(CMPOptions).items()),
        *(("segmentation", path, options, {"start"}) for path, options in options_in(SegmentationOptions).items()),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else None,
)
def test_the_schema_has_the_options_there_are(start: str, path: tuple[str, ...], options: type, others: set[str]):
    found = definition(start, path)
    assert found["additionalProperties"] is False
    assert set(found["properties"]) == keys_of(options) | (others if not path else set())


def test_the_schema_accepts_every_default():
    values = one().options
    assert one(**values).options == values


def test_the_schema_names_the_methods_and_presets_there_are():
    assert DEFINITIONS["experiment"]["properties"]["method"]["enum"] == list(METHODS)
    for name, method in METHODS.items():
        assert DEFINITIONS[name]["properties"]["recipe"]["enum"] == list(method.recipes)
        assert DEFINITIONS[name]["properties"]["grid"]["then"]["enum"] == list(method.grids)


def test_snakemake_reads_experiments_without_torch():
    code = "import sys, trainers.experiments; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[2]).returncode == 0


VOC = {"kind": "voc", "path": "nowhere/VOC2012"}


@pytest.mark.parametrize(
    ("experiment", "says"),
    [
        ({"train": ["demo"]}, "experiments.x lacks method, which is required"),
        ({"method": "cmp"}, "experiments.x lacks train, which is required"),
        (
            {"method": "cnp", "train": ["demo"]},
            "experiments.x.method is 'cnp': should be one of cmp (did you mean cmp?",
        ),
        (
            HELD | {"recipe": "resnet5"},
            "x.recipe is 'resnet5': should be one of alexnet, resnet50, parsing, annotation",
        ),
        (HELD | {"trian": ["demo"]}, "experiments.x.trian is not a key: did you mean train?"),
        (HELD | {"train": []}, "experiments.x.train is empty: should have at least 1 entry"),
        (
            HELD | {"train": ["demo", "dmeo"]},
            "experiments.x.train[1]: there is no dataset 'dmeo': should be one of demo, other, stills",
        ),
        (
            HELD | {"train": ["stills"]},
            "experiments.x.train[0]: dataset 'stills' has no view cmp: should be one of demo",
        ),
        (HELD | {"validate": ["nil"]}, "experiments.x.validate[0]: there is no dataset 'nil': should be one of demo,"),
        (HELD | {"validate": ["demo"]}, "experiments.x.validate[0]: 'demo' is trained on: leave it out here"),
        ({"method": "cmp", "train": ["demo"]}, "experiments.x: nothing is left to measure it on: hold out a share"),
        (HELD | {"devices": 0}, "experiments.x.devices is 0: should be at least 1"),
        (HELD | {"training": {"iteration": 5}}, "x.training.iteration is not a key: did you mean iterations?"),
        (HELD | {"training": {"iterations": "42k"}}, "x.training.iterations is '42k': should be an integer"),
        (HELD | {"training": {"iterations": 0}}, "experiments.x.training.iterations is 0: from 1 up"),
        (HELD | {"training": {"device_batch": 7}}, "x.training.device_batch is 7: should divide batch_size, 160"),
        (HELD | {"model": {"encoder": "vgg"}}, "experiments.x.model.encoder is 'vgg': should be one of resnet50,"),
        (HELD | {"data": {"hold_out": 1}}, "experiments.x.data.hold_out is 1: a share of the videos"),
        (HELD | {"transforms": {"scale": [1]}}, "experiments.x.transforms.scale"),
        (HELD | {"guidance": {"grid_stride": "none"}}, "grid_stride is 'none': should be an integer or null"),
        (HELD | {"grid": "papr"}, "experiments.x.grid is 'papr': should be one of paper (did you mean paper?)"),
        (HELD | {"grid": {}}, "experiments.x.grid is empty"),
        (HELD | {"grid": {"a-b": {"c": {}}}}, "x.grid.a-b: the name of an axis or a variant has letters, digits and _"),
        (HELD | {"grid": {"a": {"b": {"devices": 2}}}}, "experiments.x.grid.a.b.devices is not a key"),
        (
            HELD | {"grid": {"a": {"b": {"train": ["nil"]}}}},
            "experiments.x.grid.a.b.train[0]: there is no dataset 'nil'",
        ),
        (HELD | {"grid": {"a": {"b": {"loss": {"bins": 4}}}}}, "experiments.x.grid.a.b.loss.bins is 4: odd"),
        (HELD | {"segmentation": {}}, "experiments.x.segmentation lacks data"),
        (HELD | {"segmentation": {"data": VOC}}, "segmentation.data.path: there is no folder 'nowhere/VOC2012'"),
        (HELD | {"segmentation": {"data": {}}}, "experiments.x.segmentation.data.path is missing: where VOCdevkit"),
        (
            HELD | {"segmentation": {"data": VOC, "start": ["scratch", "a.pth"]}},
            "x.segmentation.start[1]: there is no file 'a.pth': should be encoder, scratch, or a checkpoint's path",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(experiment: dict[str, Any], says: str):
    with pytest.raises(UserError) as refused:
        resolve(x=experiment)
    assert says in str(refused.value)
    assert str(refused.value).startswith("c.yaml: experiments.x")
    assert "\n" not in str(refused.value)


def test_a_name_has_letters_digits_and_underscores():
    with pytest.raises(UserError, match=r"experiments\.a-b: an experiment's name has letters, digits and _ only"):
        resolve(**{"a-b": HELD})


def test_where_no_dataset_has_the_view_it_is_to_be_added():
    datasets = {"stills": DATASETS["stills"]}
    config = {"datasets": datasets, "experiments": {"x": HELD | {"train": ["stills"]}}}
    with pytest.raises(UserError, match=r"dataset 'stills' has no view cmp: add cmp to datasets\.stills\.views"):
        load(config, configuration.load(config))
