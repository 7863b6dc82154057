"""What a prediction is measured by, and how flow is read from it (section 3.1, equation 1)."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from trainers.methods.cmp.options import LossOptions


def propagation_loss(prediction: Tensor, flow: Tensor, valid: Tensor, options: LossOptions) -> Tensor:
    """Returns the sum of the losses of u and v, each the mean over all valid pixels of the batch (equation 1).

    The prediction is resized to the flow's size, bilinearly. Classification: cross-entropy of the flow's bins.
    Regression: the Huber loss with its knee at 1 pixel; its gradient is bounded, so that a few fast pixels do not drown
    the rest, and it fades where nothing is left to correct, on the still pixels that most frames are full of. Both see
    the flow clipped to the limit. Always computed in float32.

    Args:
        prediction: `(B, 2 * bins or 2, h, w)`, see `CMPNet`.
        flow: `(B, 2, H, W)`, pixels; of any value where not valid, even NaN.
        valid: `(B, H, W)`, bool. Where nothing is, the loss is 0, and so is its gradient.
        options: of the loss.
    """
    prediction = prediction.float()
    flow = flow.where(valid[:, None], 0).clamp(-options.limit, options.limit)
    count = valid.sum().clamp(min=1)
    if options.kind == "regression":
        error = functional.huber_loss(_resize(prediction, flow.shape[-2:]), flow, reduction="none")
        return (error * valid[:, None]).sum() / count
    width = 2 * options.limit / options.bins
    bins = ((flow + options.limit) / width).long().clamp(max=options.bins - 1)
    u, v = prediction.chunk(2, dim=1)
    total = _CrossEntropy.apply(u, bins[:, 0], valid) + _CrossEntropy.apply(v, bins[:, 1], valid)
    return total / count


def expected_flow(prediction: Tensor, size: tuple[int, int], options: LossOptions) -> Tensor:
    """Returns the flow of a prediction, `(B, 2, H, W)` for a `size` of H, W, in pixels of the image at full resolution.

    Classification: the mean of the bins' centres, weighted by their probabilities, at the prediction's resolution. Then
    resized bilinearly; the values stay, because they never were in pixels of the smaller grid.
    """
    flow = prediction.float()
    if options.kind == "classification":
        width = 2 * options.limit / options.bins
        centres = (torch.arange(options.bins, device=flow.device) - options.bins // 2) * width
        probabilities = flow.reshape(len(flow), 2, options.bins, *flow.shape[-2:]).softmax(dim=2)
        flow = (probabilities * centres.view(-1, 1, 1)).sum(dim=2)
    return _resize(flow, size)


class _CrossEntropy(torch.autograd.Function):
    """The cross-entropy of resized logits, summed over valid pixels.

    The gradient is computed along with the loss, sample by sample: the logits at full resolution, a gigabyte for 16 of
    the paper's crops, are never there for more than one sample, and nothing of them waits for the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, bins: Tensor, valid: Tensor) -> Tensor:
        """Of logits `(B, bins, h, w)`, bins `(B, H, W)` and valid `(B, H, W)`."""
        gradients = torch.zeros_like(logits) if ctx.needs_input_grad[0] else None
        total = logits.new_zeros(())
        for sample in range(len(logits)):
            with torch.enable_grad():
                # Contiguous: softmax is slow where channels come last, as they do from a network on a GPU.
                small = logits[sample : sample + 1].detach().contiguous().requires_grad_()
                full = _resize(small, bins.shape[-2:])
            chosen, mask = bins[sample, None, None], valid[sample, None, None]
            log_probability = full.detach().log_softmax(dim=1)
            total -= (log_probability.gather(1, chosen) * mask).sum()
            if gradients is not None:
                # Softmax less one-hot.
                slope = log_probability.exp_().scatter_add_(1, chosen, -torch.ones_like(chosen, dtype=full.dtype))
                gradients[sample] = torch.autograd.grad(full, small, slope.mul_(mask))[0][0]
        ctx.save_for_backward(gradients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return gradient * gradients, None, None


def _resize(values: Tensor, size: tuple[int, ...]) -> Tensor:
    return functional.interpolate(values, tuple(size), mode="bilinear", align_corners=True)
