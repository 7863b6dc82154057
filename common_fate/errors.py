"""The ways things go wrong that are not bugs."""

import errno
import os

_MACHINE = {
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV, errno.ENXIO, errno.EREMOTEIO, errno.EHOSTDOWN),
    *(errno.ENOTCONN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
}


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
