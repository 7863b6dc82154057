"""What becomes of a process that reads hostile bytes, where a crash would end the tests with it."""

import mmap
import os
import resource
import signal
import struct
from collections.abc import Callable, Sequence
from typing import TypeVar

Case = TypeVar("Case")


def deaths(cases: Sequence[Case], read: Callable[[Case], object], *, seconds: int = 20) -> list[tuple[Case, int]]:
    """Has a child process go through the cases; where one ends it, the next child goes on behind that.

    Returns the cases that ended it, with the exit status: negative for a signal (the alarm's where it took too long), 1
    for an error that `read` raised. What took too long counts if it does again: a fork of a process with threads may
    have a lock of one, and not the thread that would give it back.
    """
    place = mmap.mmap(-1, 8)
    start, late, found = 0, -1, []
    while start < len(cases):
        if not (child := os.fork()):
            _go_through(cases, start, read, place, seconds)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if not status:
            break
        (at,) = struct.unpack("<q", place[:8])
        if status == -signal.SIGALRM and at != late:
            start = late = at
            continue
        found.append((cases[at], status))
        start = at + 1
    return found


def _go_through(
    cases: Sequence[Case], start: int, read: Callable[[Case], object], place: mmap.mmap, seconds: int
) -> None:
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # C++'s last words
        for number in range(start, len(cases)):
            place[:8] = struct.pack("<q", number)
            signal.alarm(seconds)
            read(cases[number])
        status = 0
    finally:
        os._exit(status)
