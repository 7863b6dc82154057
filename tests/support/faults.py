"""A disk that fails, and a process that dies, at any one of the steps that it takes on the disk.

Steps are what `pipeline` asks of the file system: files opened, written, synced, closed, moved and removed.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from typing import Any
from unittest import mock

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
def writing(fault: Fault, only: str = "") -> Iterator[None]:
    """Every step of writing, in this process, goes by `fault` first; they count from the first one below `results`.

    Or, given `only`, those alone whose name and path are like it: `replace *.tar`.
    """
    number = 0
    held: set[int] = set()

    def step(name: str, path: Any = None) -> None:
        nonlocal number
        counts = fnmatch(f"{name} {path}", only) if only else number or str(path).startswith("results")
        if counts:
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
