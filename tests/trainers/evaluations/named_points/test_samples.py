import numpy as np
import pytest
import torch

from common_fate.errors import UserError
from tests.support.pointed_view import POINTS, SIDE, make_pointed_view
from tests.trainers.evaluations.named_points.jobs import job_of
from trainers.evaluations.named_points.samples import labelled_and_measured, margin_of, measured_samples, same_names


def test_points_and_images_are_cropped_together(tmp_path):
    view = make_pointed_view(tmp_path / "results/faces/shards/objects", hidden=[(0, "nose")])
    (samples,) = measured_samples(job_of("matching", [view], share=0))
    assert samples.title == "faces"
    assert samples.names == tuple(POINTS)
    for one in samples.read(range(len(samples)), 0):
        assert one.image.shape == (3, SIDE, SIDE)
        for (y, x), name, visible in zip(one.places, one.names, one.visible, strict=True):
            assert visible == (one.video != "v0" or name != "nose")
            at = one.image[:2, round(float(y)), round(float(x))].numpy() * SIDE
            np.testing.assert_allclose(at, POINTS[name], atol=1)
        cut = one.cut(13)
        assert cut.image.shape == (3, SIDE - 26, SIDE - 26)
        assert torch.equal(cut.image, one.image[:, 13:-13, 13:-13])
        inside = ((cut.places >= -0.5) & (cut.places < SIDE - 26.5)).all(dim=1)
        assert torch.equal(cut.visible, one.visible & inside)


def test_what_is_learnt_from_is_not_measured(tmp_path):
    views = [
        make_pointed_view(tmp_path / f"results/{name}/shards/objects", frames=n) for name, n in (("a", 1), ("b", 2))
    ]
    labels, measured = labelled_and_measured(job_of("centres", views), 0.3, ())
    for own, others in zip(labels, measured, strict=True):
        assert len(own) + len(others) in (8, 16)
        videos = [{key.rpartition("-")[0] for key in of.keys} for of in (own, others)]
        assert videos[0]
        assert videos[1]
        assert not videos[0] & videos[1]
    # Of datasets that the experiment did not know, a share of its own.
    labels, measured = labelled_and_measured(job_of("centres", views[:1], share=0), 0.4, ())
    assert len(labels[0]) + len(measured[0]) == 8
    (labels,), (measured,) = labelled_and_measured(job_of("centres", views, share=0), 0.3, ("b",))
    assert (labels.title, len(labels), measured.title, len(measured)) == ("b", 16, "a", 8)
    with pytest.raises(UserError, match="labels_from has 'c': it is measured on a, b"):
        labelled_and_measured(job_of("centres", views), 0.3, ("c",))
    with pytest.raises(UserError, match="labels_from has all datasets"):
        labelled_and_measured(job_of("centres", views), 0.3, ("a", "b"))


def test_names_that_differ_and_points_that_are_not_there_are_refused(tmp_path):
    one = make_pointed_view(tmp_path / "results/one/shards/objects")
    other = make_pointed_view(tmp_path / "results/other/shards/objects", names=("nose", "left_eye"))
    with pytest.raises(UserError, match="other and one: their points have other names, or another order"):
        same_names(measured_samples(job_of("matching", [one, other], share=0)))
    none = make_pointed_view(tmp_path / "results/none/shards/objects", points=False)
    with pytest.raises(UserError, match="has no points: its samples are of"):
        measured_samples(job_of("matching", [none], share=0))
    few = make_pointed_view(tmp_path / "results/few/shards/objects", names=())
    with pytest.raises(UserError, match="few: none of its 8 samples has named points"):
        _ = measured_samples(job_of("matching", [few], share=0))[0].names


def test_the_margin_is_what_warps_cut_off():
    options = job_of("matching", [], method="landmarks").method_options
    assert margin_of(options) == options.warp.margin == 0
    assert margin_of(job_of("matching", [], method="landmarks", margin=7).method_options) == 7
    assert margin_of(job_of("matching", []).method_options) == 0
