"""The ways things go wrong that are not bugs."""

import errno
import os
import resource
from pathlib import Path

_MACHINE = {
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV, errno.ENXIO, errno.EREMOTEIO, errno.EHOSTDOWN),
    *(errno.ENOTCONN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
}

_ROOM = 512 * 2**20  # bytes of addresses


def printable(text: str) -> str:
    """Returns a text that may quote foreign names: what would steer a terminal or hide text is written as escapes.

    Lines stay lines.
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class UserError(Exception):
    """Something the user can put right. The command line prints the message as one line and exits with 1."""

    def __init__(self, message: object) -> None:
        super().__init__(printable(str(message)))


class SampleError(ValueError):
    """One sample cannot be made. The runner turns it into a failure row whose reason is the message.

    The message is part of the commit record: it names no path, no time and no host.
    """


class ShardError(UserError):
    """A shard, its record or a member is damaged or missing. The message names the file, and the key if any."""


def check_machine(error: Exception, what: str) -> None:
    """Raises UserError where a disk, a network or memory failed, which is no fault of the sample or video `what`.

    As a failure row it would stay: nothing that Snakemake looks at changes when the machine is well again. A UserError
    is raised as it is.
    """
    if isinstance(error, UserError):
        raise error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            raise UserError(f"{what}: memory ran out: give the job more (mem_mb), then run again") from error
        if isinstance(cause, OSError) and cause.errno in _MACHINE:
            said = os.strerror(cause.errno)
            raise UserError(f"{what}: {said}: see to the disk it lies on, then run again, or leave it out") from error
        cause = cause.__cause__ or cause.__context__


def check_address_space() -> None:
    """Raises UserError where `ulimit -v` leaves too little for compiling kernels: LLVM then hangs, or ends the process.

    Where the system does not say what is in use, nothing is known.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return
    if limit - used < _ROOM:
        needed = (used + _ROOM) >> 10
        raise UserError(
            f"a process may have {limit >> 10} kB of addresses here (`ulimit -v`), and this one needs {needed} to "
            f"begin with: `ulimit -v unlimited`, or {needed} and more"
        )
