"""What arrows on an image lead to."""

from typing import NamedTuple

from numpy.typing import ArrayLike

from common_fate.pictures import Picture, flow_to_color, typical_maximum
from trainers.methods.cmp.apps.encoded import encoded_once
from trainers.methods.cmp.apps.predict import Guidance, as_image, predict_flow, shortened
from trainers.methods.cmp.apps.warping import fill_holes, forward_warp
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions


class Pulled(NamedTuple):
    """An image after its arrows were pulled."""

    taken: Guidance  # (N, 4): the arrows as the network was told them
    moved: Picture  # (H, W, 3)
    colors: Picture  # (H, W, 3): the flow on the colour wheel
    full: float  # pixels that have the full colour


def pull(net: CMPNet, options: CMPOptions, image: Picture, arrows: ArrayLike) -> Pulled:
    """Moves an image `(H, W, 3)` as a network says that it moves with its arrows, `(N, 4)` rows of y, x, dy, dx.

    Raises:
        UserError: as `predict_flow`.
    """
    taken = shortened(net, options, (image.shape[0], image.shape[1]), arrows)
    flow = predict_flow(encoded_once(net), options, as_image(image), taken).numpy()
    full = typical_maximum(flow)
    return Pulled(taken, fill_holes(forward_warp(image, flow)), flow_to_color(flow, max_magnitude=full), full)
