"""All that was measured of one experiment: a page for people, `metrics.json` for machines."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from common_fate.errors import UserError
from common_fate.shards.files import write_atomic
from trainers.evaluations.result import MAX_BASELINES, Measurement, headlines, read_result
from trainers.registry import METHODS
from trainers.report.curves import Reference, curve_panels
from trainers.report.experiment_files import Curves, number, read_curves, read_json
from trainers.report.page import duration, element, facts, folded, numeral, page, picture, text
from trainers.report.rows import MOST_CARDS, cards, rows_table

PAGE = "index.html"
TRAINED = ("model", "encoder")  # the starts that stand before others

Evaluations = dict[str, dict[str, Measurement]]
"""By the evaluation's name in config.yaml, by start; what was trained here first, then scratch, then others by name."""


def summarise(experiment: Path, evaluations: Sequence[Path], to: Path) -> None:
    """Collects an experiment's measurements: `index.html` in `to`, and `metrics.json` in the experiment's folder.

    Args:
        experiment: `results/experiments/NAME`, with some of `train.json` and `curves.csv`.
        evaluations: those of its `evaluations/EVALUATION/START.json` that count: others may be left over.

    Raises:
        UserError: there is none of these files, or one cannot be read.
    """
    name = experiment.name
    training = read_json(experiment / "train.json")
    curves = read_curves(experiment / "curves.csv")
    measured = read_evaluations(evaluations)
    if training is None and curves is None and not measured:
        raise UserError(f"{experiment}: has nothing to report: train and evaluate it first")
    metrics = {
        "experiment": name,
        "method": (training or {}).get("method"),
        "training": training or {},
        "curve": _ends(curves) if curves else {},
        "evaluations": {
            evaluation: {start: [asdict(row) for row in one.result.rows] for start, one in starts.items()}
            for evaluation, starts in measured.items()
        },
    }
    parts = [
        element("h1", text(name)),
        element("p", text(_lead(training or {})), kind="lead"),
        element("div", *_cards(measured), kind="cards"),
        *_what_it_is(training or {}),
        *_curves(curves, measured, training or {}),
        *(_evaluation(evaluation, starts) for evaluation, starts in measured.items()),
    ]
    write_atomic(to / PAGE, page(name, *parts))
    write_atomic(experiment / "metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())


def read_evaluations(paths: Sequence[Path]) -> Evaluations:
    """Reads what was measured, by the name of its folder and by start.

    Raises:
        UserError: a file cannot be read, two have the same name and start, or an evaluation has too many baselines.
    """
    found: Evaluations = {}
    for path in paths:
        one = read_result(path)
        starts = found.setdefault(path.absolute().parent.name, {})
        if one.start in starts:
            raise UserError(f"{path}: another file of this evaluation is of the start {one.start!r}, too: give one")
        starts[one.start] = one
        names = {name for of in starts.values() for row in of.result.rows for name in row.baselines}
        if len(names) > MAX_BASELINES:
            raise UserError(f"{path}: with other starts {len(names)} baselines; at most {MAX_BASELINES}: give fewer")
    return {name: {start: starts[start] for start in sorted(starts, key=_place)} for name, starts in found.items()}


def _place(start: str) -> tuple[int, str]:
    return (0 if start in TRAINED else 1 if start == "scratch" else 2), start


def _cards(measured: Evaluations) -> Iterator[str]:
    starts = {name: {start: one.result.rows for start, one in starts.items()} for name, starts in measured.items()}
    yield from islice((card for name, rows in starts.items() for card in cards(name, rows)), MOST_CARDS)
    if (left := sum(len(headlines(next(iter(rows.values())))) for rows in starts.values()) - MOST_CARDS) > 0:
        yield element("div", text(f"and {left} more, below"), kind="faint")


def _ends(curves: Curves) -> dict[str, Any]:
    """What training came to: of each column the last that was measured, and the lowest and the highest."""
    ends: dict[str, Any] = {"iterations": curves.iteration[-1]}
    for name in curves.columns:
        if values := curves.measured(name)[1]:
            ends[name] = {"last": values[-1], "lowest": min(values), "highest": max(values)}
    return ends


def _lead(training: Mapping[str, Any]) -> str:
    """One line of what it is."""
    parts = [str(training["method"])] if "method" in training else []
    if (samples := number(training.get("samples"))) is not None:
        videos = number(training.get("videos"))
        parts.append(f"{numeral(samples)} samples" + (f" of {numeral(videos)} videos" if videos is not None else ""))
    if (total := number(_mapping(training.get("parameters")).get("total"))) is not None:
        parts.append(f"{numeral(total)} parameters")
    if (iterations := number(training.get("iterations"))) is not None:
        batch = number(training.get("batch_size"))
        parts.append(f"{numeral(iterations)} iterations" + (f" of {numeral(batch)}" if batch is not None else ""))
    if (seconds := number(training.get("seconds"))) is not None:
        parts.append(duration(seconds) + (f" on {training['device']}" if training.get("device") else ""))
    return " · ".join(parts)


def _what_it_is(training: Mapping[str, Any]) -> Iterator[str]:
    if not training:
        return
    yield element("h2", "What it is")
    known = {"options", "parameters", "seconds", "waiting_for_data"}
    pairs: list[tuple[str, Any]] = [
        (name.replace("_", " "), _said(value)) for name, value in training.items() if name not in known and value != []
    ]
    if (seconds := number(training.get("seconds"))) is not None:
        pairs.append(("time", duration(seconds)))
    if (waiting := number(training.get("waiting_for_data"))) is not None:
        pairs.append(("of it waiting for data", f"{waiting:.1%}"))
    options = flat(_mapping(training.get("options")))
    defaults = _defaults(training.get("method"))
    changed = {key: value for key, value in options.items() if key not in defaults or defaults[key] != value}
    right = [element("h3", "Options that differ from the defaults" if defaults else "Options")]
    right.append(facts((key, _with_default(value, defaults.get(key))) for key, value in changed.items()))
    if not changed:
        right.append(element("p", "None: all are the method's defaults."))
    if rest := {key: value for key, value in options.items() if key not in changed}:
        right.append(
            folded(f"The other {len(rest)} options", facts((key, _said(value)) for key, value in rest.items()))
        )
    blocks = [element("div", element("h3", "Training"), facts(pairs))]
    if parameters := _mapping(training.get("parameters")):
        counted = ((part if part != "total" else "in all", _said(count)) for part, count in parameters.items())
        blocks.append(element("div", element("h3", "Parameters"), facts(counted)))
    if options:
        blocks.append(element("div", *right))
    yield element("div", *blocks, kind="columns")


def flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested options by the path of their key."""
    found: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _defaults(method: Any) -> dict[str, Any]:
    """The options of a method where a config says nothing; none of one that is not known here, or that has to say."""
    declared = METHODS.get(method) if isinstance(method, str) else None
    if declared is None:
        return {}
    try:
        defaults = declared.options()
    except (TypeError, ValueError):
        return {}
    return flat(json.loads(json.dumps(asdict(defaults))))


def _with_default(value: Any, default: Any) -> str:
    return _said(value) if default is None else f"{_said(value)}   (default {_said(default)})"


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value) or "none"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
    return json.dumps(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _curves(curves: Curves | None, measured: Evaluations, training: Mapping[str, Any]) -> Iterator[str]:
    if curves is None:
        return
    panels = curve_panels(curves, _references(measured, training))
    if panels:
        yield element("h2", "Curves")
        yield element("div", *(element("div", panel) for panel in panels), kind="panels")


def _references(measured: Evaluations, training: Mapping[str, Any]) -> dict[str, Reference]:
    """What the validation's metrics can be held against, from the headlines of the same name.

    Baselines are of use only where the evaluation was on what training validates on.
    """
    found: dict[str, Reference] = {}
    for starts in measured.values():
        one = next(iter(starts.values()))
        for row in headlines(one.result.rows):
            baselines = {name: value for name, value in row.baselines.items() if value is not None}
            found.setdefault(
                row.metric, Reference(row.unit, row.better, baselines if _validated(one, training) else {})
            )
    return found


def _validated(one: Measurement, training: Mapping[str, Any]) -> bool:
    """Whether an evaluation was on the videos that training validates on, as far as `train.json` says."""
    trained, validated = training.get("datasets"), training.get("validation")
    if not isinstance(trained, list) or not isinstance(validated, list):
        return True
    return [*one.views] == validated if validated else one.side == "held out" and [*one.views] == trained


def _evaluation(name: str, starts: Mapping[str, Measurement]) -> str:
    first = next(iter(starts.values()))
    parts = [element("h2", text(name)), rows_table({start: one.result.rows for start, one in starts.items()})]
    notes = dict.fromkeys(one.result.note for one in starts.values())
    parts += [element("p", text(note), kind="note") for note in notes if note]
    for start, one in starts.items():
        if len(starts) > 1 and one.result.pictures:
            parts.append(element("h3", text(f"From {start}")))
        parts += map(picture, one.result.pictures)
    about: list[tuple[str, Any]] = [
        ("evaluation", f"{first.evaluation}, version {first.version}"),
        ("videos", first.side if first.views else None),
        ("views", ", ".join(first.views) or None),
        ("time", ", ".join(f"{start} {duration(one.seconds)}" for start, one in starts.items())),
    ]
    options = ((key, _said(value)) for key, value in flat(first.options).items())
    parts.append(folded("How it was measured", facts([*about, *options])))
    return "".join(parts)
