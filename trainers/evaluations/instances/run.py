"""One training, from an encoder to the average precision of masks and boxes on images that validate."""

from trainers.evaluations.boxed_images.fine_tuning import Learning, fine_tune
from trainers.evaluations.boxed_images.networks import mask_rcnn
from trainers.evaluations.instances.evaluation import EVALUATION
from trainers.evaluations.job import Job
from trainers.evaluations.result import Result, Row
from trainers.metrics.detection import coco_precision, percent

NOTE = (
    "Average precision of masks and of boxes in percent after fine-tuning all layers, as COCO has it: over IoU from "
    "0.5 to 0.95 and over classes. Classes without an object to validate on (a dash) do not count."
)


def run(job: Job) -> Result:
    """Fine-tunes, or takes a killed run up again, and measures.

    Raises:
        UserError: images, masks or weights cannot be used, or see `trainers.engine.loop.fit`.
    """
    learnt = fine_tune(job, Learning(EVALUATION, mask_rcnn, masks=True))
    title, samples, rows = job.options.data.title, len(learnt.truth), []
    masks, boxes = (
        coco_precision(learnt.found, learnt.truth, learnt.sizes, len(learnt.names), masks=of) for of in (True, False)
    )
    for what, of in (("mask", masks), ("box", boxes)):
        for metric, value in (("mAP", of.mean), ("AP50", of.at50), ("AP75", of.at75)):
            rows.append(Row(title, f"{what} {metric}", percent(value), "%", "higher", samples))
    for what, of in (("mask", masks), ("box", boxes)):
        rows += [
            Row(title, f"{what} AP", percent(value), "%", "higher", samples, name)
            for name, value in zip(learnt.names, of.classes, strict=True)
        ]
    return learnt.result(rows, NOTE)
