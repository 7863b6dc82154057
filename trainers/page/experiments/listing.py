"""What experiments there are, and where each stands: trained, being trained, stopped or not begun."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common_fate.errors import UserError
from common_fate.shards.files import is_held
from trainers.page.experiments.events import EVENTS, RunEvents
from trainers.page.links import stays_inside
from trainers.page.models import MODEL
from trainers.page.site import Site
from trainers.report.experiment_files import number, read_json

CURVES = "curves"
"""The source of curves that is `curves.csv`; others are runs, by the name of their folder."""
SILENT = 150
"""Seconds without a word after which a run that nobody holds on this machine is taken to have stopped."""
RUN = "run.json"
"""In a run's folder what it is a run of; older ones have none."""
MOST_EXPERIMENTS = 500
MOST_RUNS = 64  # of an experiment
MOST_KEPT = 64  # runs whose curves are in memory


class Experiments:
    """Finds experiments by name, and keeps what their runs have written.

    Args:
        site: experiments are `experiments/NAME` in its results.
    """

    def __init__(self, site: Site) -> None:
        self._site, self._folder = site, site.results / "experiments"
        self._kept: OrderedDict[Path, RunEvents] = OrderedDict()

    def folders(self) -> dict[str, Path]:
        """Returns the folders of experiments by name; links that lead out of the results are left out."""
        return dict(sorted(_inside(self._folder, self._site.results.resolve()).items()))

    def folder(self, name: str) -> Path:
        """Returns the folder of an experiment.

        Raises:
            UserError: there is none of this name.
        """
        folders = self.folders()
        if name not in folders:
            raise UserError(f"there is no experiment {name} (any more)")
        return folders[name]

    def runs(self, folder: Path) -> dict[str, Path]:
        """Returns the folders of an experiment's runs by name, the one that was written last first."""
        found = _inside(folder / "runs", folder.resolve())
        written = {name: _written(path) for name, path in found.items()}
        order = sorted(found, key=lambda name: (-written[name], name))
        return {name: found[name] for name in order[:MOST_RUNS] if written[name]}

    def events(self, run: Path) -> tuple[RunEvents, str]:
        """Returns what a run has written up to now, and what is wrong with it, if anything."""
        kept = self._kept.setdefault(run, RunEvents(run))
        self._kept.move_to_end(run)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        try:
            kept.update()
        except UserError as error:
            return kept, str(error)
        return kept, ""

    def all(self) -> dict[str, Any]:
        """Returns all experiments as the page lists them, those trained now first, and how many are left out."""
        folders = self.folders()
        shown = [self.described(*one) for one in list(folders.items())[:MOST_EXPERIMENTS]]
        shown.sort(key=lambda one: one["state"] != "training")
        return {"experiments": shown, "more": len(folders) - len(shown)}

    def described(self, name: str, folder: Path) -> dict[str, Any]:
        """Returns of an experiment its state, how far it is, and whose curves there are; errors in words."""
        errors: list[str] = []
        facts = self._read(folder / "train.json", errors)
        runs = self.runs(folder)
        newest = next(iter(runs), "")
        finished = _mtime(folder / "train.json")
        is_done = bool(finished) and (not newest or finished >= _written(runs[newest], EVENTS) - 1)
        is_written = is_held(folder)
        found: dict[str, Any] = {"name": name, "state": "trained" if finished else "not begun", "errors": errors}
        if newest and (not is_done or is_written):
            found |= self._under_way(runs[newest], is_written, errors)
            is_done = is_done and found["state"] != "training"
        elif is_written:
            found["state"] = "training"  # it reads its views, and has written nothing yet
        if found["state"] == "not begun" and (folder / MODEL).exists():
            found["state"] = "trained"
        if found["state"] == "trained":
            found |= _finished(facts)
        found.setdefault("method", _text(facts.get("method")))
        found["sources"] = self._sources(folder, runs, is_done, found["state"] == "training")
        measured = [_mtime(path) for path in folder.glob("evaluations/*/*.json")]
        found |= {"evaluations": len(measured), "evaluated": max(measured, default=0.0)}
        return found

    def _under_way(self, run: Path, is_written: bool, errors: list[str]) -> dict[str, Any]:
        """How far a run is that has not made a model."""
        events, wrong = self.events(run)
        errors += [wrong] if wrong else []
        about = self._read(run / RUN, errors)
        silent = max(0.0, time.time() - _written(run))
        iterations = number(_mapping(_mapping(about.get("options")).get("training")).get("iterations"))
        seconds = events.seconds
        known = iterations is not None and seconds is not None
        return {
            "state": "training" if is_written or silent < SILENT else "stopped",
            "iteration": events.iteration,
            "iterations": iterations,
            "seconds": seconds,
            "left": max(0.0, iterations - events.iteration) * seconds if known else None,  # type: ignore[operator]
            "silent": silent,
            **({"method": _text(about.get("method"))} if about else {}),
        }

    def _read(self, path: Path, errors: list[str]) -> Mapping[str, Any]:
        if not path.exists():
            return {}
        try:
            return read_json(self._site.inside(path)) or {}
        except UserError as error:
            errors.append(str(error))
            return {}

    def table(self, name: str) -> Path:
        """Returns the table of curves of a training that is done.

        Raises:
            UserError: there is no such experiment, or no table in it.
        """
        return self._site.inside(self.folder(name) / "curves.csv")

    def _sources(self, folder: Path, runs: Mapping[str, Path], is_done: bool, live: bool) -> list[dict[str, Any]]:
        """Whose curves there are: what is newest first. The newest run of one that is done is `curves.csv`."""
        made = _mtime(folder / "curves.csv")
        table = [{"id": CURVES, "written": made, "live": False}] if made else []
        of_runs = [
            {"id": name, "written": _written(path, EVENTS), "live": live and place == 0}
            for place, (name, path) in enumerate(runs.items())
        ]
        return [*table, *of_runs[1:]] if is_done and table else [*of_runs, *table]


def _inside(folder: Path, root: Path) -> dict[str, Path]:
    """The folders in a folder by name, but hidden ones, and those that are links to elsewhere."""
    try:
        names = [path for path in folder.iterdir() if not path.name.startswith(".") and path.is_dir()]
    except OSError:
        return {}
    return {path.name: path for path in names if stays_inside(path, root)}


def _written(run: Path, pattern: str = "*") -> float:
    """When a file of a run was written last; 0: there is none."""
    return max((_mtime(path) for path in run.glob(pattern) if not path.name.startswith(".")), default=0.0)


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _finished(facts: Mapping[str, Any]) -> dict[str, Any]:
    iterations, took = number(facts.get("iterations")), number(facts.get("seconds"))
    return {
        "iteration": iterations,
        "iterations": iterations,
        "seconds": took / iterations if took is not None and iterations else None,
        "took": took,
        "device": _text(facts.get("device")),
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
