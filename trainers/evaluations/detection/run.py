"""One training, from an encoder to the average precision of boxes on images that validate."""

from trainers.evaluations.boxed_images.fine_tuning import Learning, fine_tune
from trainers.evaluations.boxed_images.networks import fast_rcnn, faster_rcnn
from trainers.evaluations.detection.evaluation import EVALUATION
from trainers.evaluations.detection.proposals import SelectiveSearch
from trainers.evaluations.job import Job
from trainers.evaluations.result import Result, Row
from trainers.evaluations.start import encoder_name
from trainers.metrics.detection import coco_precision, percent, voc07_precision

NOTE = (
    "Average precision of boxes in percent after fine-tuning all layers. VOC07 is its mean over eleven recalls at an "
    "IoU of 0.5, as in 2007; COCO's is also over IoU from 0.5 to 0.95. Classes without an object to validate on (a "
    "dash) do not count."
)
RESNETS = "resnet"


def run(job: Job) -> Result:
    """Fine-tunes, or takes a killed run up again, and measures.

    Raises:
        UserError: images, boxes or weights cannot be used, or see `trainers.engine.loop.fit`.
    """
    options = job.options
    pyramid = encoder_name(job).startswith(RESNETS)
    search = None
    if not pyramid:
        search = SelectiveSearch(job.runs / "proposals", options.proposals, options.training.seed)
    how = Learning(EVALUATION, faster_rcnn if pyramid else fast_rcnn, masks=False, proposals=search)
    learnt = fine_tune(job, how)
    names, title, samples = learnt.names, options.data.title, len(learnt.truth)
    voc07 = voc07_precision(learnt.found, learnt.truth, len(names))
    coco = coco_precision(learnt.found, learnt.truth, learnt.sizes, len(names))
    known = [one for one in voc07 if one is not None]
    over_all = {
        "VOC07 mAP": sum(known) / len(known) if known else None,
        "COCO mAP": coco.mean,
        "COCO AP50": coco.at50,
        "COCO AP75": coco.at75,
    }
    first = "VOC07" if options.data.kind == "voc" else "COCO"
    rows = [
        Row(title, metric, percent(value), "%", "higher", samples)
        for metric, value in sorted(over_all.items(), key=lambda each: not each[0].startswith(first))
    ]
    for metric, values in (("VOC07 AP", voc07), ("COCO AP", coco.classes)):
        if metric.startswith(first):
            rows += [
                Row(title, metric, percent(value), "%", "higher", samples, name)
                for name, value in zip(names, values, strict=True)
            ]
    return learnt.result(rows, NOTE)
