"""A disk that fails, and a process that dies, at any one of the steps that it takes on the disk.

Steps are what `pipeline` asks of the file system: files opened, written, synced, closed, moved and removed.
"""

import atexit
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

KILLER = Path(__file__).parent / "killer"

Fault = Callable[[int, str], None]
"""What happens before a step, given its number from 1 on and its name; it may raise."""


class Dead(BaseException):
    """The process has been killed, as far as the disk is concerned: nothing that it does from here on happens."""


def counted(steps: list[str]) -> Fault:
    """Lets everything happen and notes it."""
    return lambda number, step: steps.append(step)


def refused(at: int, code: int, steps: tuple[str, ...]) -> Fault:
    """From its `at`-th step on the disk refuses such steps."""

    def fault(number: int, step: str) -> None:
        if number >= at and step in steps:
            raise OSError(code, os.strerror(code))

    return fault


def refused_once(at: int, code: int) -> Fault:
    """The disk refuses its `at`-th step alone."""

    def fault(number: int, step: str) -> None:
        if number == at:
            raise OSError(code, os.strerror(code))

    return fault


def dead(at: int) -> Fault:
    """The process is killed at its `at`-th step."""

    def fault(number: int, step: str) -> None:
        if number >= at:
            raise Dead

    return fault


@contextmanager
def writing(fault: Fault) -> Iterator[None]:
    """Every step of writing, in this process, goes by `fault` first; they count from the first one below `results`."""
    number = 0
    held: set[int] = set()

    def step(name: str, path: Any = None) -> None:
        nonlocal number
        if number or str(path).startswith("results"):
            number += 1
            fault(number, name)

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            step("write")
            return super().write(data)

        def close(self) -> None:
            if self.closed:
                return
            super().close()
            step("close")

    real_open, real_os_open, real_os_close = io.open, os.open, os.close

    def open_file(path: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if mode != "xb":
            return real_open(path, mode, *args, **options)
        step("create", path)
        return io.BufferedWriter(Raw(path, "xb"), 2048)

    def open_descriptor(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if flags & os.O_NONBLOCK:  # to read what others wrote
            return real_os_open(path, flags, *args, **options)
        step("create" if flags & os.O_CREAT else "look", path)
        descriptor = real_os_open(path, flags, *args, **options)
        held.add(descriptor)
        return descriptor

    def close_descriptor(descriptor: int) -> None:
        held.discard(descriptor)
        real_os_close(descriptor)

    def stepping(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def run(*args: Any, **options: Any) -> Any:
            step(name, args[0])
            return real(*args, **options)

        return run

    with (
        mock.patch("io.open", open_file),
        mock.patch.multiple(os, open=open_descriptor, close=close_descriptor),
        mock.patch.multiple(os, **{name: stepping(name) for name in ("fsync", "replace", "unlink", "mkdir")}),
    ):
        try:
            yield
        finally:
            for descriptor in held:  # and with it the lock that it holds, as the kernel does for the dead
                with suppress(OSError):
                    real_os_close(descriptor)


@contextmanager
def reading(fault: Fault) -> Iterator[None]:
    """Every read from a file, in this process, goes by `fault` first."""
    number = 0

    def step(name: str) -> None:
        nonlocal number
        number += 1
        fault(number, name)

    class Raw(io.FileIO):
        def readinto(self, buffer: Any) -> Any:
            step("read")
            return super().readinto(buffer)

        def readall(self) -> bytes:
            step("read")
            return super().readall()

    real_open, real_pread = io.open, os.pread

    def open_file(path: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        return io.BufferedReader(Raw(path)) if mode == "rb" else real_open(path, mode, *args, **options)

    def pread(*args: Any) -> bytes:
        step("read")
        return real_pread(*args)

    with mock.patch("io.open", open_file), mock.patch("builtins.open", open_file), mock.patch("os.pread", pread):
        yield


@dataclass(frozen=True)
class Strike:
    """A signal that a job sends at one of its steps.

    `whom` is this job (`worker`), the Snakemake that started it (`scheduler`) or `both`. If the job lives, it takes
    `pause` seconds over that step, or until there is a note `go`.
    """

    step: int
    signal: int
    whom: str
    pause: float = 0.0

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
    if called[:2] != ["-m", "pipeline"] or called[2] not in plan.get("strikes", {}):
        return
    strike = Strike(**plan["strikes"][called[2]])
    note = Path(plan["struck"]) / called[2]

    def fault(number: int, step: str) -> None:
        if number == strike.step and not note.exists():
            note.touch()
            strike(note.with_name("go"))

    context = writing(fault)
    context.__enter__()
    atexit.register(context.__exit__, None, None, None)
