"""Running Snakemake itself, in a folder of its own."""

import copy
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.clean_forks import snakemake

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Workspace:
    """A working directory with a config.yaml, in which Snakemake runs our Snakefile."""

    folder: Path
    root: Path = ROOT  # where the Snakefile and the code are

    def configure(self, datasets: dict[str, Any], experiments: dict[str, Any] | None = None) -> None:
        config = {"datasets": datasets} | ({"experiments": experiments} if experiments else {})
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return snakemake(self._arguments(*arguments), self.folder)

    def command(self, *arguments: str) -> list[str]:
        """What `snakemake` runs, for a process of its own."""
        return [sys.executable, "-m", "snakemake", *self._arguments(*arguments)]

    def _arguments(self, *arguments: str) -> list[str]:
        return ["--snakefile", str(self.root / "Snakefile"), "--cores", "2", "--nocolor", *arguments]

    def make(self, *arguments: str) -> Counter[str]:
        """Runs the workflow, which has to succeed; the jobs it ran, by rule."""
        done = self.snakemake(*arguments)
        assert done.returncode == 0, done.stderr[-4000:]
        return jobs(done.stderr + done.stdout)

    def planned(self, *arguments: str) -> Counter[str]:
        """The jobs a run would do, by rule."""
        return self.make("--dry-run", *arguments)

    def tree(self) -> dict[str, bytes]:
        """Every file under results, by path."""
        results = self.folder / "results"
        return {str(path.relative_to(results)): path.read_bytes() for path in results.rglob("*") if path.is_file()}


def jobs(text: str) -> Counter[str]:
    """The counts of Snakemake's job table; empty where there was nothing to do."""
    table = re.search(r"^job +count\n[- ]+\n((?:\w+ +\d+\n)+)", text, re.MULTILINE)
    counts = re.findall(r"(\w+) +(\d+)", table[1]) if table else []
    return Counter({name: int(count) for name, count in counts if name not in ("all", "total")})


SMALL: dict[str, Any] = {
    "source": {"kind": "synthetic", "videos": 3, "frames": 4, "height": 64, "width": 96, "objects": 2},
    "videos_per_shard": 1,
}


def changed(**changes: Any) -> dict[str, Any]:
    """The configuration of SMALL with some keys changed; mappings are merged."""
    dataset = copy.deepcopy(SMALL)
    for key, value in changes.items():
        dataset[key] = {**dataset.get(key, {}), **value} if isinstance(value, dict) else value
    return {"small": dataset}
