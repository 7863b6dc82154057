"""Images of coloured shapes with boxes and masks, in the layouts of VOC, COCO and YOLO, and as a table."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

CLASSES = ("disk", "square")
COLOURS = ((220, 60, 40), (40, 90, 220))  # RGB, of each class
SIDE = 64


@dataclass(frozen=True)
class Shaped:
    """An image `(H, W, 3)`, RGB, with one mask `(H, W)` and one label for each object on it."""

    name: str
    image: np.ndarray
    masks: tuple[np.ndarray, ...]
    labels: tuple[int, ...]

    @property
    def boxes(self) -> list[list[int]]:
        """The edges x0, y0, x1, y1 of each object."""
        found = []
        for mask in self.masks:
            y, x = np.nonzero(mask)
            found.append([int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1])
        return found


def shapes(count: int, seed: int = 0) -> list[Shaped]:
    """Makes images with one or two shapes that do not touch."""
    rng = np.random.default_rng(seed)
    return [_shaped(f"{number:04d}", rng) for number in range(count)]


def _shaped(name: str, rng: np.random.Generator) -> Shaped:
    image = np.full((SIDE, SIDE, 3), rng.integers(90, 150), np.uint8)
    masks, labels = [], []
    for half in range(int(rng.integers(1, 3))):
        label, radius = int(rng.integers(2)), int(rng.integers(9, 14))
        y, x = int(rng.integers(15, SIDE - 15)), int(rng.integers(15, 18)) + 32 * half
        mask = np.zeros((SIDE, SIDE), np.uint8)
        if label == 0:
            cv2.circle(mask, (x, y), radius, 1, -1)
        else:
            mask[y - radius : y + radius, x - radius : x + radius] = 1
        image[mask > 0] = COLOURS[label]
        masks.append(mask > 0)
        labels.append(label)
    noisy = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    return Shaped(name, noisy, tuple(masks), tuple(labels))


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes an image, RGB, as its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])


def write_coco(root: Path, **sides: list[Shaped]) -> Path:
    """Writes images in the layout of COCO, each side as `annotations/instances_SIDE.json`.

    Disks are runs, and squares are polygons.
    """
    for side, listed in sides.items():
        facts: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
        facts["categories"] = [{"id": 7 * (label + 1), "name": name} for label, name in enumerate(CLASSES)]
        for number, one in enumerate(listed):
            write_image(root / side / f"{one.name}.png", one.image)
            height, width = one.image.shape[:2]
            facts["images"].append({"id": number, "file_name": f"{one.name}.png", "height": height, "width": width})
            for mask, label, (x0, y0, x1, y1) in zip(one.masks, one.labels, one.boxes, strict=True):
                facts["annotations"].append(
                    {
                        "id": len(facts["annotations"]) + 1,
                        "image_id": number,
                        "category_id": 7 * (label + 1),
                        "bbox": [x0, y0, x1 - x0, y1 - y0],
                        "area": int(mask.sum()),
                        "iscrowd": 0,
                        "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]] if label else runs(mask),
                    }
                )
        (root / "annotations").mkdir(parents=True, exist_ok=True)
        (root / f"annotations/instances_{side}.json").write_text(json.dumps(facts))
    return root


def runs(mask: np.ndarray) -> dict[str, Any]:
    """Returns a mask as COCO's runs: the lengths of 0 and 1 in turn, column by column."""
    flat = np.concatenate([[0], mask.T.ravel(), [2]])
    ends = np.flatnonzero(np.diff(flat)).tolist()
    return {"size": list(mask.shape), "counts": np.diff([0, *ends]).tolist()}


def write_voc(root: Path, **lists: list[Shaped]) -> Path:
    """Writes images in the layout of VOC, each list as `ImageSets/Main/LIST.txt`; disks are cats and squares dogs."""
    for name, listed in lists.items():
        for one in listed:
            write_image(root / "JPEGImages" / f"{one.name}.jpg", one.image)
            objects = [
                ("cat" if label == 0 else "dog", box, 0) for label, box in zip(one.labels, one.boxes, strict=True)
            ]
            write_annotation(root, one.name, one.image.shape[:2], objects)
        (root / "ImageSets/Main").mkdir(parents=True, exist_ok=True)
        (root / f"ImageSets/Main/{name}.txt").write_text("".join(f"{one.name}\n" for one in listed))
    return root


def write_annotation(root: Path, name: str, size: tuple[int, ...], objects: list[tuple[str, list[int], int]]) -> None:
    """Writes an annotation of VOC: of each object its class, its edges and whether it is difficult."""
    height, width = size
    parts = [f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"]
    for kind, (x0, y0, x1, y1), difficult in objects:
        box = f"<xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        parts.append(f"<object><name>{kind}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox></object>")
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    (root / f"Annotations/{name}.xml").write_text(f"<annotation>{''.join(parts)}</annotation>")


def write_table(root: Path, listed: list[Shaped]) -> Path:
    """Writes images and `labels.csv`."""
    lines = ["file,class,x0,y0,x1,y1"]
    for one in listed:
        write_image(root / "images" / f"{one.name}.png", one.image)
        for label, box in zip(one.labels, one.boxes, strict=True):
            lines.append(",".join([f"{one.name}.png", CLASSES[label], *map(str, box)]))
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root
