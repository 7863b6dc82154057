"""Pictures of samples: flow as a colour wheel, guidance as arrows, labels as colours, and contact sheets of them.

Arrays in, arrays out: pictures are `(H, W, 3)` uint8, RGB.
"""

from common_fate.pictures.arrows import draw_arrows
from common_fate.pictures.flow_colors import Picture, color_wheel_legend, flow_to_color, typical_maximum
from common_fate.pictures.labels import label_colors
from common_fate.pictures.samples import draw_flow_arrows, sample_row
from common_fate.pictures.sheet import Tile, contact_sheet

__all__ = [
    "Picture",
    "Tile",
    "color_wheel_legend",
    "contact_sheet",
    "draw_arrows",
    "draw_flow_arrows",
    "flow_to_color",
    "label_colors",
    "sample_row",
    "typical_maximum",
]
