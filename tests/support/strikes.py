"""Jobs of a running Snakemake that send a signal to themselves or to it, at any one of their steps on the disk."""

import atexit
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support.faults import writing

KILLER = Path(__file__).parent / "killer"


@dataclass(frozen=True)
class Strike:
    """A signal that a job sends at one of its steps, counted among those like `only` if it is given.

    `whom` is this job (`worker`), the Snakemake that started it (`scheduler`) or `both`. If the job lives, it takes
    `pause` seconds over that step, or until there is a note `go`.
    """

    step: int
    signal: int
    whom: str
    pause: float = 0.0
    only: str = ""

    def __call__(self, go: Path) -> None:
        group = os.getpgrp()  # Snakemake leads the group in which its jobs are
        target = {"worker": os.getpid(), "scheduler": group, "both": -group}[self.whom]
        os.kill(target, self.signal)
        end = time.monotonic() + self.pause
        while time.monotonic() < end and not go.exists():
            time.sleep(0.05)


def environment(struck: Path, strikes: dict[str, Strike]) -> dict[str, str]:
    """For Snakemake: its first job of each command named strikes so. `struck` is a folder for notes of who has."""
    plan = {"struck": str(struck), "strikes": {command: asdict(strike) for command, strike in strikes.items()}}
    return {**os.environ, "PYTHONPATH": str(KILLER), "STRIKES": json.dumps(plan)}


def strike_as_planned() -> None:
    """Of the process that starts: if it is a job that is to strike, it will."""
    plan, called = json.loads(os.environ.get("STRIKES", "{}")), sys.orig_argv[1:4]
    if called[:2] not in (["-m", "pipeline"], ["-m", "trainers"]) or called[2] not in plan.get("strikes", {}):
        return
    strike = Strike(**plan["strikes"][called[2]])
    note = Path(plan["struck"]) / called[2]

    def fault(number: int, step: str) -> None:
        if number == strike.step and not note.exists():
            note.touch()
            strike(note.with_name("go"))

    context = writing(fault, strike.only)
    context.__enter__()
    atexit.register(context.__exit__, None, None, None)
