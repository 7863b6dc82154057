"""`.venv` counts as done only when it is: the Makefile and its setup, with a uv that only notes what it was asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UV = """#!/bin/sh
echo "$1 $2" >> uv.log
[ "$1" = venv ] && mkdir -p .venv/bin && ln -s /bin/true .venv/bin/python
[ "$1" != pip ] || [ ! -e no-index ]
"""


class Checkout:
    """The files of the setup in a folder whose name has a space."""

    def __init__(self, folder: Path):
        self.folder = folder / "a clone"
        (self.folder / "bin").mkdir(parents=True)
        shutil.copytree(ROOT / "workflow/scripts", self.folder / "workflow/scripts")
        for name in ("Makefile", "requirements.lock"):
            shutil.copy(ROOT / name, self.folder)
        self.program("uv", UV)

    def program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Without the variables by which an outer make, the one that runs these tests, would speak to this one.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        environment["PATH"] = f"{self.folder / 'bin'}:{environment['PATH']}"
        command = ["make", "setup", *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def asked(self) -> list[str]:
        """What uv was asked since the last time."""
        log = self.folder / "uv.log"
        lines = [line for line in log.read_text().splitlines() if line != "--version "] if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_second_make_installs_nothing(checkout: Checkout):
    assert checkout.make().returncode == 0
    assert checkout.asked() == ["venv --quiet", "pip sync"]
    assert checkout.make().returncode == 0
    assert checkout.asked() == []


def test_a_changed_lock_is_synced_into_the_same_environment(checkout: Checkout):
    checkout.make()
    checkout.asked()
    later = (checkout.folder / ".venv/.installed").stat().st_mtime + 5
    os.utime(checkout.folder / "requirements.lock", (later, later))
    assert checkout.make().returncode == 0
    assert checkout.asked() == ["pip sync"]


def test_a_failed_setup_says_so_and_is_made_anew(checkout: Checkout):
    (checkout.folder / "no-index").touch()
    done = checkout.make()
    assert done.returncode != 0
    assert "error: uv could not install requirements.lock" in done.stderr
    assert not (checkout.folder / ".venv/.installed").exists()
    half = checkout.folder / ".venv/half-a-package"
    half.touch()
    (checkout.folder / "no-index").unlink()
    checkout.asked()
    assert checkout.make().returncode == 0
    assert checkout.asked() == ["venv --quiet", "pip sync"]
    assert not half.exists()


def test_a_failed_sync_of_a_changed_lock_leaves_nothing_that_counts_as_done(checkout: Checkout):
    checkout.make()
    later = (checkout.folder / ".venv/.installed").stat().st_mtime + 5
    os.utime(checkout.folder / "requirements.lock", (later, later))
    (checkout.folder / "no-index").touch()
    assert checkout.make().returncode != 0
    assert not (checkout.folder / ".venv/.installed").exists()


def test_an_old_python_is_refused_in_one_line(checkout: Checkout):
    checkout.program("old", '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    done = checkout.make("PYTHON=old")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert errors == ["error: old is Python 3.9.2 and 3.11 or newer is needed: say make PYTHON=python3.12, for example"]
    assert checkout.asked() == []
