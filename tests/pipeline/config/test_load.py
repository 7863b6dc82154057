from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from common_fate.errors import UserError
from pipeline.config.load import Dataset, _dataset, load
from pipeline.registry import VIEWS, columns_of
from pipeline.sources import SOURCES
from pipeline.views import View

ROOT = Path(__file__).resolve().parents[3]


def one(**keys: Any) -> dict[str, Any]:
    return {"datasets": {"x": {"source": {"kind": "synthetic"}, **keys}}}


def test_the_default_configuration_is_valid():
    assert list(load(yaml.safe_load((ROOT / "config.yaml").read_text()))) == ["demo", "demo_segments", "demo_arm"]


def test_five_lines_are_enough(tmp_path: Path):
    (tmp_path / "a.mp4").touch()
    lines = f"datasets:\n  mylab:\n    source:\n      kind: videos\n      path: {tmp_path}/*.mp4\n"
    dataset = load(yaml.safe_load(lines))["mylab"]
    assert dataset.views == ("cmp",)
    assert dataset.columns == ("frames", "flow", "guidance")
    assert [video.video for video in dataset.videos()] == ["a"]


def test_images_have_frames_alone():
    dataset = load({"datasets": {"x": {"source": {"kind": "images", "path": "*.jpg"}}}})["x"]
    assert dataset.views == ()
    assert dataset.columns == ("frames",)


def test_truth_is_a_column_where_the_source_has_it():
    assert "truth" in load(one())["x"].columns


def test_truth_comes_whatever_the_view_and_not_without_pairs():
    selflow = load(one(frames={"triplets": True}, views=["selflow"]))["x"]
    assert selflow.columns == ("frames", "superpixels", "truth")
    assert load(one(frames={"pairs": "none"}, views=["grouping"]))["x"].columns == ("frames", "regions")


def test_a_view_brings_what_its_columns_are_made_from(monkeypatch: pytest.MonkeyPatch):
    points = View("points", 1, "guidance", {"frames": ("json",), "guidance": ("guidance.npy",)})
    monkeypatch.setitem(VIEWS, "points", points)
    assert columns_of(["points"]) == ["frames", "flow", "guidance"]
    assert columns_of(["points"], ["truth"]) == ["frames", "flow", "guidance", "truth"]


def test_a_view_of_what_the_source_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch):
    exact = View("exact", 1, "truth", {"frames": ("jpg", "json"), "truth": ("flow.b2", "valid.png")})
    labelled = View("labelled", 1, "masks", {"frames": ("jpg", "json"), "masks": ("objects.png",)})
    monkeypatch.setitem(VIEWS, "exact", exact)
    monkeypatch.setitem(VIEWS, "labelled", labelled)

    def resolved(**keys: Any) -> Dataset:
        return _dataset("x", one(**keys)["datasets"]["x"], "datasets.x", Path("results/x"))

    assert resolved(views=["exact"]).columns == ("frames", "truth")
    with pytest.raises(UserError, match=r"datasets\.x\.views: labelled joins masks, and this source has none"):
        resolved(views=["labelled"])
    with pytest.raises(UserError, match=r"datasets\.x\.views: exact joins truth, and this source has none"):
        resolved(views=["exact"], frames={"pairs": "none"})


def test_the_flow_of_an_experiment_s_network_is_at_its_path():
    dataset = load(one(flow={"estimator": "network:experiments.student"}))["x"]
    path = "results/experiments/student/model.safetensors"
    assert dataset.options("flow")["estimator"] == f"network:{path}"
    assert dataset.weights("flow") == (Path(path),)
    assert dataset.weights("regions") == ()


def test_weights_are_the_users_own_files(tmp_path: Path):
    forest, checkpoint = tmp_path / "model.yml.gz", tmp_path / "mine.ckpt"
    checkpoint.touch()
    flow = {"estimator": "ptlflow:raft", "checkpoint": str(checkpoint)}
    dataset = load(one(flow=flow, regions={"forest": str(forest)}))["x"]
    assert (dataset.weights("flow"), dataset.weights("regions")) == ((checkpoint,), (forest,))
    published = load(one(flow={"estimator": "ptlflow:raft", "checkpoint": "things"}))["x"]
    assert published.weights("flow") == ()


def test_columns_are_those_that_the_views_join():
    assert load(one(views=["grouping"]))["x"].columns == ("frames", "regions", "truth")
    images = {"source": {"kind": "images", "path": "*.jpg"}, "views": ["grouping"]}
    assert load({"datasets": {"x": images}})["x"].columns == ("frames", "regions")
    triplets = load(one(frames={"triplets": True}, views=["selflow", "cmp"]))["x"]
    assert triplets.columns == ("frames", "flow", "guidance", "superpixels", "truth")


def test_web_video_is_filtered_unless_told_otherwise_and_other_video_if_told(monkeypatch: pytest.MonkeyPatch):
    def options(**keys: Any) -> tuple[Any, Any]:
        dataset = load({"datasets": {"x": {"source": {"kind": "videos", "path": "*.mp4"}, **keys}}})["x"]
        return dataset.options("frames").get("filters"), dataset.options("flow").get("min_motion")

    # What is off is not mentioned: datasets that were made before there was any of it stay as they are.
    assert options() == options(frames={"filters": []}, flow={"min_motion": None}) == (None, None)
    assert options(frames={"filters": ["cuts"]}, flow={"min_motion": 1}) == (["cuts"], 1)
    monkeypatch.setitem(SOURCES, "videos", replace(SOURCES["videos"], fetch=lambda video, downloading, to: None))
    assert options() == (["cuts", "black", "duplicates"], 0.1)
    assert options(frames={"seed": 1}, flow={"backward": True}) == (["cuts", "black", "duplicates"], 0.1)
    assert options(frames={"filters": ["black"]}, flow={"min_motion": None}) == (["black"], None)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "c.yaml lacks datasets, which is required"),
        ({"datasets": {}}, "datasets is empty: should have at least 1"),
        ({"datasets": {"a-b": {"source": {"kind": "synthetic"}}}}, "datasets.a-b: a dataset's name has letters"),
        ({"datasets": {"a\n": {"source": {"kind": "synthetic"}}}}, "datasets.'a\\n': a dataset's name has letters"),
        ({"datasets": {"shards": {"source": {"kind": "synthetic"}}}}, "datasets.shards: this name is taken"),
        (one(flow={"checkpoint": "a\nb"}), "datasets.x.flow.checkpoint is 'a\\nb': should be one line"),
        (one(flow={"checkpoint": "a\0b"}), "datasets.x.flow.checkpoint is 'a\\x00b': should have no NUL"),
        ({"datasets": {"x": {"source": {"kind": "videos", "path": ["a", "b\n"]}}}}, "source.path[1] is 'b\\n': should"),
        (one(flow={"min_motion": float("nan")}), "datasets.x.flow.min_motion is nan: should be a finite number"),
        (one(min_success=float("nan")), "datasets.x.min_success is nan: should be a finite number"),
        (one(videos_per_shard=1e308), "datasets.x.videos_per_shard is 1e+308: should be less than 2 ** 63"),
        (
            one() | {"experiments": {"y": {"validation": {"share": float("nan")}}}},
            "c.yaml: experiments.y.validation.share is nan: should be a finite number",
        ),
        (
            one() | {"experiments": {"y": {"train_share": float("inf")}}},
            "experiments.y.train_share is inf: should be a finite number",
        ),
        ({"datasets": {"report": {"source": {"kind": "synthetic"}}}}, "datasets.report: this name is taken"),
        ({"datasets": {"x": {}}}, "c.yaml: datasets.x lacks source"),
        (
            {"datasets": {2016: {"source": {"kind": "synthetic"}}}},
            "c.yaml: datasets.2016: YAML reads a dataset's name here as a number: write it in quotes",
        ),
        (
            {"datasets": {False: {"source": {"kind": "synthetic"}}}},
            "c.yaml: datasets.false: YAML reads a dataset's name here as true or false: write it in quotes",
        ),
        (
            {"datasets": {None: {"source": {"kind": "synthetic"}}}},
            "c.yaml: datasets.null: YAML reads a dataset's name here as nothing: write it in quotes",
        ),
        (
            {"datasets": {"x": {"source": {"kind": "davis", "path": "a", "year": 2015}}}},
            "datasets.x.source.year is 2015: should be one of 2016, 2017",
        ),
        (
            {"datasets": {"x": {"source": {"kind": "davis", "path": "a", "masks": "Annotation"}}}},
            "source.masks is 'Annotation': should be one of Annotations, Annotations_unsupervised, null (did you mean",
        ),
        (one(views=["cmp", "cmp"]), "datasets.x.views names cmp twice: leave one out"),
        ({"dataset": {}, "datasets": {"x": {"source": {"kind": "synthetic"}}}}, "dataset is not a key: did you mean"),
        (
            one(download={"pause": 1}),
            "datasets.x.download: videos of the kind synthetic are not fetched: leave this out",
        ),
        (one(download={"pause": -1}), "datasets.x.download.pause is -1: should be at least 0"),
        (one(flow={"preset": "quick"}), "datasets.x.flow.preset is 'quick': should be one of ultrafast, fast, medium"),
        (one(flow={"batch_size": "8"}), "datasets.x.flow.batch_size is '8': should be an integer"),
        (one(flow={"batch_size": 0}), "datasets.x.flow.batch_size is 0: should be at least 1"),
        (one(flow={"checkpoint": "things"}), "datasets.x.flow: "),
        (one(flow={"min_motion": 0}), "datasets.x.flow.min_motion"),
        (one(flow={"max_inconsistent": 0.3}), "datasets.x.flow: max_inconsistent compares flow with flow back: set"),
        (one(flow={"backward": True, "max_inconsistent": 30}), "flow.max_inconsistent is 30: should be below 1"),
        (one(frames={"filters": ["cut"]}), "frames.filters[0] is 'cut': should be one of cuts, black, duplicates"),
        (one(guidance={"kernel_size": 80}), "datasets.x.guidance: "),
        (one(guidance={"kernal_size": 81}), "guidance.kernal_size is not a key: did you mean kernel_size?"),
        (one(frames={"select": {"every": 2, "random": 3}}), "datasets.x.frames.select has 2 keys: should have one of"),
        (one(frames={"select": "some"}), "datasets.x.frames: "),
        (one(frames={"pairs": {"gap": 2}}), "frames.pairs.gap is not a key"),
        (one(frames={"pairs": "none"}, views=["cmp"]), "views: cmp needs pairs of frames"),
        (one(views=["selfflow"]), "datasets.x.views[0] is 'selfflow': should be one of cmp, grouping, selflow"),
        (one(views=["selflow"]), "datasets.x.views: selflow needs the frame before, too: set frames.triplets: true"),
        (one(frames={"pairs": "none"}, views=["selflow"]), "selflow needs pairs of frames, and frames.pairs is none"),
        (one(regions={"maps": "folder"}), "datasets.x.regions: maps is the folder of the detector maps"),
        ({"datasets": {"x": {"source": {"kind": "videos"}}}}, "datasets.x.source lacks path"),
        (
            {"datasets": {"x": {"source": {"kind": "videos", "pth": "a"}}}},
            "c.yaml: datasets.x.source.pth is not a key: did you mean path?",
        ),
        (
            {"datasets": {"x": {"source": {"kidn": "davis", "path": "a", "year": 2016}}}},
            "c.yaml: datasets.x.source.kidn is not a key: did you mean kind?",
        ),
        ({"dataset": {}}, "c.yaml: dataset is not a key: did you mean datasets?"),
        (one(flow=None), "c.yaml: datasets.x.flow is empty: should be a mapping"),
        (one(flow={"estimator": "raft"}), "no estimator 'raft': it is 'dis'"),
        (one(flow={"estimator": "raft"}), "(did you mean ptlflow:raft?)"),
        (one(flow={"estimator": "x" * 5000}), "datasets.x.flow.estimator is 'xxx"),
        (one(frames={"select": {}}), "datasets.x.frames.select is empty: should have"),
        ({"datasets": {"x": {"source": {"kind": "video", "path": "a"}}}}, "is 'video': should be one of videos"),
        ({"datasets": {"x": {"source": {"kind": "synthetic", "path": "a"}}}}, "datasets.x.source.path is not a key"),
        (
            {"datasets": {"x": {"source": {"kind": "images", "path": "a"}, "frames": {"pairs": {"offset": 1}}}}},
            "images are videos of one frame",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(config: dict[str, Any], says: str):
    with pytest.raises(UserError) as refused:
        load(config, "c.yaml")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_whole_numbers_written_as_floats_are_integers():
    def both(size: Any, two: Any) -> dict[str, Any]:
        select, source = {"list": [two, 4]}, {"kind": "synthetic", "height": size}
        davis = {"source": {"kind": "davis", "path": "a", "year": two + 2014}}
        x = one(source=source, frames={"select": select}, regions={"leaves": two}, videos_per_shard=two)
        return {"datasets": x["datasets"] | {"davis": davis}}

    floats, integers = (load(both(*sizes)) for sizes in ((64.0, 2.0), (64, 2)))
    assert repr(floats) == repr(integers)
    assert isinstance(load(one(min_success=1.0))["x"].min_success, float)
    with pytest.raises(UserError, match=r"x\.videos_per_shard is 2\.5: should be an integer"):
        load(one(videos_per_shard=2.5))


def test_paths_are_expanded_as_the_shell_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETS", f"{tmp_path}/nets")
    keys: dict[str, Any] = {
        "flow": {"estimator": "network:~/own.safetensors"},
        "regions": {"forest": "$NETS/forest.yml.gz"},
    }
    dataset = load(one(**keys))["x"]
    assert dataset.stages["flow"].estimator == f"network:{tmp_path}/own.safetensors"
    assert dataset.stages["regions"].forest == f"{tmp_path}/nets/forest.yml.gz"
    (tmp_path / "t.csv").write_text("url\nhttps://x.org/a.mp4\n")
    source = {"kind": "urls", "path": "~/t.csv"}
    web = load({"datasets": {"x": {"source": source, "download": {"store": "${NETS}/../videos"}}}})["x"]
    assert web.downloading is not None
    assert web.downloading.store == f"{tmp_path}/nets/../videos"
    assert len(web.videos()) == 1
    with pytest.raises(UserError, match=r"x\.source\.path '~/\*\.mp4' matches no file"):  # as it was written
        load({"datasets": {"x": {"source": {"kind": "videos", "path": "~/*.mp4"}}}})["x"].videos()


def test_a_pattern_that_matches_nothing_names_its_key(tmp_path: Path):
    config = {"datasets": {"mylab": {"source": {"kind": "videos", "path": f"{tmp_path}/*.mp4"}}}}
    with pytest.raises(UserError) as refused:
        load(config)["mylab"].videos()
    assert str(refused.value) == f"config.yaml: datasets.mylab.source.path '{tmp_path}/*.mp4' matches no file"


ADOPTED = {"datasets": {"x": {"source": {"kind": "adopted"}}}}


def test_an_adopted_dataset_has_what_is_there(tmp_path: Path):
    for name in ("adopted.json", "shards/grouping/samples.parquet", "flow/000003.tar"):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).touch()
    dataset = load(ADOPTED, results=tmp_path)["x"]
    assert (dataset.views, dataset.columns, dataset.adopted) == (("grouping",), ("flow",), True)
    with pytest.raises(UserError, match=r"datasets\.x\.source\.kind: .*/x was adopted: set it to adopted"):
        load(one(), results=tmp_path)


def test_an_adopted_dataset_that_is_not_there_names_the_command():
    with pytest.raises(
        UserError, match=r"nothing was adopted as results/x: run `python -m pipeline adopt DIR --dataset"
    ):
        load(ADOPTED)


def test_an_adopted_dataset_takes_no_options():
    with pytest.raises(UserError, match=r"datasets\.x\.flow: an adopted dataset is as it was made: leave this out"):
        load({"datasets": {"x": {"source": {"kind": "adopted"}, "flow": {"preset": "fast"}}}})
