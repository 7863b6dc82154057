"""Experiments on disk, measured by evaluations that there are not: the report knows none by name."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from trainers.evaluations.result import Measurement, Picture, Result, Row, write_result

PNG = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8))[1].tobytes()
CURVE = "iteration,learning_rate,loss,validation.epe\n1,0.1,9.0,\n2,0.1,8.0,3.0\n3,0.1,7.0,2.5\n4,0.1,6.0,2.75\n"
TRAINING: dict[str, Any] = {
    "method": "toy",
    "samples": 1234,
    "videos": 20,
    "datasets": ["results/demo/shards/toy"],
    "parameters": {"encoder": 11, "decoder": 1_460_000, "total": 1_460_011},
    "iterations": 4,
    "batch_size": 16,
    "seconds": 2280.5,
    "waiting_for_data": 0.012,
    "device": "CPU",
    "options": {"loss": {"kind": "huber"}, "training": {"iterations": 4}},
}


class Page(HTMLParser):
    """What stands on a page: the cells of each table row by row, all text, tags, and what each tag's class holds."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text()
        self.tables: list[list[list[str]]] = []
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.best: list[str] = []
        self._stack: list[tuple[str, str]] = []
        self._comments: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "img", "path", "use", "rect"):
            self._stack.append((tag, dict(attrs).get("class") or ""))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._stack and self._stack.pop()[0] != tag:
            pass

    def handle_comment(self, data: str) -> None:
        self._comments.append(data.strip())

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self._stack]
        if "style" in inside:
            return
        self.texts.append(data)
        if inside and inside[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data
            if "best" in self._stack[-1][1].split():
                self.best.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    @property
    def drawn(self) -> str:
        """What is written in its figures: matplotlib has each text as a comment before its outlines."""
        return " | ".join(self._comments)


def row(value: float | None = 2.0, **changes: Any) -> Row:
    values: dict[str, Any] = {
        "dataset": "demo",
        "metric": "epe",
        "unit": "px",
        "better": "lower",
        "samples": 12,
        "baselines": {"no motion": 4.0, "nearest": 2.5},
    }
    return Row(value=value, **values | changes)


def write_measured(folder: Path, evaluation: str, start: str, /, *rows: Row, **changes: Any) -> Path:
    path = folder / "evaluations" / evaluation / f"{start}.json"
    values: dict[str, Any] = {
        "evaluation": "measuring",
        "version": 1,
        "experiment": folder.name,
        "start": start,
        "options": {"pictured": 6},
        "side": "held out",
        "views": ("results/demo/shards/toy",),
        "seconds": 61.0,
    }
    result = Result(rows or (row(),), changes.pop("pictures", ()), {}, changes.pop("note", ""))
    write_result(path, Measurement(**values | changes, result=result))
    return path


def write_experiment(folder: Path, curve: str | None = CURVE, training: dict[str, Any] | None = TRAINING) -> Path:
    folder.mkdir(parents=True)
    if curve is not None:
        (folder / "curves.csv").write_text(curve)
    if training is not None:
        (folder / "train.json").write_text(json.dumps(training))
    return folder


def evaluations(folder: Path) -> list[Path]:
    return sorted(folder.glob("evaluations/*/*.json"))


def picture(name: str = "samples", caption: str = "What is shown.") -> Picture:
    return Picture(name, PNG, caption)


def long_curve(iterations: int, *losses: str, rate: float = 0.1) -> str:
    """A falling loss with some parts, and a metric on every tenth row that rises."""
    lines = [",".join(["iteration", "learning_rate", "loss", *(f"loss.{name}" for name in losses), "validation.PCK"])]
    for iteration in range(1, iterations + 1):
        dropped = rate if iteration <= iterations / 2 else rate / 10
        loss = 2 + math.exp(-iteration)
        parts = [str(loss / max(1, len(losses))) for _ in losses]
        lines.append(
            ",".join([str(iteration), str(dropped), str(loss), *parts, "" if iteration % 10 else str(iteration)])
        )
    return "\n".join(lines) + "\n"
