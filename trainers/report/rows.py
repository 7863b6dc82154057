"""An evaluation's rows as a table: a line for each number, a column for each start and each baseline."""

from collections.abc import Iterable, Mapping, Sequence

from trainers.evaluations.result import Row, headlines
from trainers.report.page import cell, decimals_of, element, folded, numeral, table, text

MOST_LINES = 8  # of one metric, before they are folded away
MOST_CARDS = 16  # of one experiment
ARROWS = {"higher": "↑", "lower": "↓"}

Starts = Mapping[str, Sequence[Row]]
Key = tuple[str, str, str]  # dataset, subset, metric


def rows_table(starts: Starts) -> str:
    """Returns the rows of some starts side by side, the best of each line marked; long lists, as of classes, folded."""
    lines = _lines(starts)
    metrics: dict[str, list[Key]] = {}
    for key in lines:
        metrics.setdefault(key[2], []).append(key)
    short = {key for keys in metrics.values() if len(keys) <= MOST_LINES for key in keys}
    parts = [_table({key: lines[key] for key in lines if key in short}, starts)] if short else []
    for metric, keys in metrics.items():
        if len(keys) > MOST_LINES:
            what = "by part" if all(subset for _, subset, _ in keys) else "all"
            parts.append(
                folded(f"{metric}, {what}: {len(keys)} lines", _table({key: lines[key] for key in keys}, starts))
            )
    return "".join(parts)


def cards(evaluation: str, starts: Starts) -> Iterable[str]:
    """Returns a card for each headline of an evaluation: the number, and what it is to be held against."""
    first, *others = starts
    for row in headlines(starts[first]):
        beside = []
        if (better := row.improvement()) is not None and (best := row.best_baseline()) is not None:
            beside.append(f"{improvement(better)} than {best[0]}, {numeral(best[1])}")
        for start in others:
            same = [one for one in starts[start] if _key(one) == _key(row)]
            if same and same[0].value is not None:
                beside.append(f"{start}: {numeral(same[0].value)}")
        name = f"{evaluation}: {label(row)}, {row.dataset}{f', {row.subset}' if row.subset else ''}"
        value = "–" if row.value is None else numeral(row.value)
        lines = [element("div", text(line), kind="beside") for line in beside]
        shown = [text(value), element("small", text(f" {row.unit}"))]
        lines.insert(0, element("div", text(f"from {first}"), kind="beside faint"))
        yield element(
            "div", element("div", text(name), kind="name"), element("div", *shown, kind="value"), *lines, kind="card"
        )


def label(row: Row) -> str:
    """Returns a metric's name with an arrow to where it is better."""
    return f"{row.metric} {ARROWS[row.better]}"


def improvement(percent: float | None) -> str | None:
    """Returns by how much something is better, in words."""
    return None if percent is None else f"{_percent(abs(percent))} % {'better' if percent >= 0 else 'worse'}"


def signed(percent: float) -> str:
    """Returns a percentage with its sign, a true minus."""
    return f"{'−' if percent < 0 else '+'}{_percent(abs(percent))}"


def _percent(percent: float) -> str:
    return f"{percent:.1f}" if percent < 1e6 else f"{percent:.3g}"


def _key(row: Row) -> Key:
    return row.dataset, row.subset, row.metric


def _lines(starts: Starts) -> dict[Key, dict[str, Row]]:
    """The rows by what they are of and by start, in the order in which they first come."""
    lines: dict[Key, dict[str, Row]] = {}
    for start, rows in starts.items():
        for row in rows:
            lines.setdefault(_key(row), {}).setdefault(start, row)
    return lines


def _table(lines: Mapping[Key, Mapping[str, Row]], starts: Starts) -> str:
    every = [row for line in lines.values() for row in line.values()]
    baselines = list(dict.fromkeys(name for row in every for name in row.baselines))
    of_metric: dict[str, list[float | None]] = {}
    for row in every:
        of_metric.setdefault(row.metric, []).extend((row.value, *row.baselines.values()))
    shown = {metric: decimals_of(values) for metric, values in of_metric.items()}
    subsets = any(row.subset for row in every)
    columns = ["dataset", *(["of"] if subsets else []), "metric", *starts, *baselines]
    columns += [*(["than the best baseline"] if baselines else []), "samples"]
    begin = 3 if subsets else 2
    cells = []
    for (dataset, subset, metric), line in lines.items():
        rows = list(line.values())
        values = [line[start].value if start in line else None for start in starts]
        known = {name: value for row in reversed(rows) for name, value in row.baselines.items()}
        values += [known.get(name) for name in baselines]
        best = _best(values, rows[0].better)
        named = [cell(dataset), *([cell(subset or "all")] if subsets else [])]
        unit = f", {rows[0].unit}" if rows[0].unit else ""
        numbers = [
            cell(value, shown[metric], "best" if value is not None and value == best else "") for value in values
        ]
        better = [cell(improvement(rows[0].improvement()), kind="number")] if baselines else []
        cells.append([*named, cell(f"{label(rows[0])}{unit}"), *numbers, *better, cell(rows[0].samples)])
    return table(columns, cells, range(begin, len(columns)))


def _best(values: Sequence[float | None], better: str) -> float | None:
    """The best of several; of one alone there is none."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    return max(known) if better == "higher" else min(known)
