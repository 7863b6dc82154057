"""Reads foreign folders through every door there is, within a bounded memory, and says what each came to.

Run as a process of its own: `python read_everything.py OUT FOLDER...`; a line of JSON for each door of each folder.
"""

import contextlib
import io
import json
import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from common_fate import cli as common_fate_cli
from common_fate.errors import UserError
from common_fate.shards.column import Shard
from common_fate.shards.limits import MAX_PIXELS
from common_fate.torch import ShardDataset, stream
from pipeline.cli import app as cli
from pipeline.stages.runner import run_stage
from pipeline.stages.stage import Stage, each

WHEN_NEEDED = (
    "blosc2",
    "common_fate.shards.flow_kernels",
    "common_fate.torch.image_kernels",
    "scipy.cluster.hierarchy",
    "scipy.spatial.distance",
    "tabulate",
)
"""What the doors import when they need it, which is no part of what a folder makes them take."""
SPARE = 640 * 2**20
assert 4 * MAX_PIXELS < SPARE  # the largest member there may be fits


def command(*words: str) -> None:
    """A command of `python -m pipeline`; what it prints is its result."""
    few = patch.object(common_fate_cli, "check_address_space")  # on purpose here
    with patch.object(sys, "argv", ["pipeline", *words]), few:
        try:
            cli.main()
        except SystemExit as end:
            if isinstance(end.code, str):
                raise UserError(end.code) from None


def tars(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.tar")) or [folder / "000000.tar"]


def by_key(folder: Path) -> None:
    for tar in tars(folder):
        with Shard(tar) as shard:
            for key in shard:
                try:
                    dict(shard[key])
                except ValueError as error:  # of a member; callers say of which sample it is
                    raise UserError(f"{tar}: {key}: {error}") from error


@dataclass(frozen=True)
class Options:
    pass


def through_a_stage(folder: Path, out: Path) -> None:
    for tar in tars(folder):
        stage = Stage("copy", 1, ("view",), Options, each(lambda sample, _: {"json": dict.fromkeys(dict(sample), 1)}))
        run_stage(stage, {"view": tar}, out / folder.name / tar.name, Options(), 1.0)


def doors(folder: Path, out: Path) -> dict[str, Callable[[], object]]:
    return {
        "shard": lambda: by_key(folder),
        "dataset": lambda: [None for sample in ShardDataset(folder)],
        "stream": lambda: [None for sample in stream(folder)],
        "verify": lambda: command("verify", str(folder)),
        "verify --full": lambda: command("verify", "--full", str(folder)),
        "stats": lambda: command("stats", str(folder)),
        "show": lambda: command("show", str(folder), "--to", str(out / f"{folder.name}.png"), "--samples", "3"),
        "stage": lambda: through_a_stage(folder, out),
    }


def attempt(door: Callable[[], object]) -> tuple[str, str]:
    """How it ended, `read`, `refused` or `crashed`; and everything it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            door()
        except UserError as error:
            return "refused", f"{said.getvalue()}{error}"
        except BaseException:
            return "crashed", traceback.format_exc()
    return "read", said.getvalue()


def main() -> None:
    out, *folders = map(Path, sys.argv[1:])
    for name in WHEN_NEEDED:
        import_module(name)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + SPARE, taken + SPARE))
    for folder in folders:
        for name, door in doors(folder, out).items():
            start = time.monotonic()
            ended, said = attempt(door)
            seconds = time.monotonic() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            found = {
                "folder": folder.name,
                "door": name,
                "ended": ended,
                "said": said,
                "seconds": seconds,
                "peak": peak,
            }
            sys.__stdout__.write(json.dumps(found) + "\n")
            sys.__stdout__.flush()


if __name__ == "__main__":
    main()
