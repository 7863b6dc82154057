import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchmetrics.classification import MulticlassJaccardIndex

from trainers.evaluations.segmentation.model import Ensemble, Segmenter, upsampled
from trainers.evaluations.segmentation.options import SegmentationData, SegmentationOptions
from trainers.evaluations.segmentation.rows import iou_rows
from trainers.evaluations.segmentation.task import Segmentation
from trainers.metrics.segmentation import confusion_matrix, intersection_over_union
from trainers.models.encoders import create_encoder

DATA = SegmentationData(kind="folder", images="i", masks="m", classes=("a", "b"), hold_out=0.5)
OPTIONS = SegmentationOptions(DATA)


@settings(max_examples=50, deadline=None)
@given(stride=st.sampled_from([8, 32]), height=st.integers(1, 150), width=st.integers(1, 150))
def test_scores_keep_their_pixels(stride, height, width):
    def plane(y, x):
        return 2.0 * y[:, None] - 3.0 * x

    coarse = plane(torch.arange(0, height, stride), torch.arange(0, width, stride))[None, None]
    assert coarse.shape[2:] == (-(-height // stride), -(-width // stride))
    # Beyond the last score, its value.
    y, x = torch.arange(height).clamp(max=(height - 1) // stride * stride), torch.arange(width)
    expected = plane(y, x.clamp(max=(width - 1) // stride * stride))
    torch.testing.assert_close(upsampled(coarse, stride, (height, width))[0, 0], expected, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize(("name", "width"), [("resnet18", 65), ("alexnet", 97)])
def test_features_lie_where_scores_are_put(name, width):
    """A network without a sense of left and right scores a mirrored image by the mirrored scores."""
    torch.manual_seed(0)
    net = Segmenter(create_encoder(name), 3).eval()
    nn.init.normal_(net.score.weight)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data += layer.weight.data.flip(-1)
    image = torch.rand(1, 3, 33, width)
    with torch.no_grad():
        scores, mirrored = net(image), net(image.flip(-1))
    assert scores.std() > 0
    torch.testing.assert_close(mirrored.flip(-1), scores, rtol=1e-3, atol=1e-4 * float(scores.abs().max()))


@pytest.mark.parametrize("name", ["resnet18", "vgg16", "alexnet"])
def test_there_is_a_score_for_each_class_and_pixel(name):
    net = Segmenter(create_encoder(name), 5)
    assert net(torch.rand(2, 3, 37, 50)).shape == (2, 5, 37, 50)


def test_ignored_pixels_do_not_count():
    task = Segmentation(OPTIONS, Segmenter(create_encoder("resnet18"), 2)).eval()
    nn.init.normal_(task.net.score.weight)
    image = torch.rand(1, 3, 16, 24)
    labels = torch.randint(0, 2, (1, 16, 24), generator=torch.Generator().manual_seed(0))
    labels[:, :, 8:] = 255
    scores = task.net(image)[:, :, :, :8]
    expected = nn.CrossEntropyLoss()(scores, labels[:, :, :8])
    torch.testing.assert_close(task({"image": image, "labels": labels}), {"segmentation": expected})
    assert task({"image": image, "labels": torch.full_like(labels, 255)})["segmentation"] == 0


def test_all_layers_are_trained():
    task = Segmentation(OPTIONS, Segmenter(create_encoder("resnet18"), 2))
    nn.init.normal_(task.net.score.weight)
    batch = {"image": torch.rand(2, 3, 32, 32), "labels": torch.zeros(2, 32, 32, dtype=torch.int64)}
    task(batch)["segmentation"].backward()
    assert all(parameter.grad is not None for parameter in task.parameters())


def test_a_plain_networks_scores_lie_in_the_middle_of_what_they_see():
    net = Segmenter(create_encoder("alexnet_torchvision"), 2).eval()
    nn.init.normal_(net.score.weight)
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        coarse, scores = net.score(net.encoder(image)[32]), net(image)
    assert scores.shape == (1, 2, 64, 96)
    torch.testing.assert_close(scores[..., 15::32, 15::32], coarse)
    torch.testing.assert_close(scores[..., 31, 15], (coarse[..., 0, 0] + coarse[..., 1, 0]) / 2)


def test_an_ensemble_is_the_mean_of_probabilities_and_its_iou_torchmetrics_own():
    torch.manual_seed(0)
    nets = [nn.Conv2d(3, 4, 3, padding=1) for _ in range(2)]
    images = [{"image": torch.rand(3, height, 9), "labels": torch.randint(0, 4, (height, 9))} for height in (5, 8, 6)]
    images[1]["labels"][2:4] = 255
    means = []
    for sample in images:
        scores = [net(sample["image"][None])[0].detach().numpy() for net in nets]
        powers = [np.exp(one - one.max(axis=0)) for one in scores]
        means.append(sum(one / one.sum(axis=0) for one in powers) / 2)
        ours = Ensemble(*nets)(sample["image"][None])[0].detach().numpy()
        np.testing.assert_allclose(ours, means[-1], rtol=1e-5)
    metric = MulticlassJaccardIndex(4, average="none", ignore_index=255)
    for sample, mean in zip(images, means, strict=True):
        metric.update(torch.from_numpy(mean.argmax(axis=0))[None], sample["labels"][None])
    found = intersection_over_union(confusion_matrix(Ensemble(*nets), images, 4))
    expected = metric.compute().tolist()
    assert found == pytest.approx(expected)
    mean, *_ = iou_rows("d", ["a", "b", "c", "d"], found, 3, of=" of the ensemble")
    assert mean.value == pytest.approx(100 * np.mean(expected))
    assert mean.metric == "mean IoU of the ensemble"
