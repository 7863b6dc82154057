"""The ways things go wrong that are not bugs."""


def printable(text: str) -> str:
    """A text that may quote foreign names: what would steer a terminal or hide text is written as escapes.

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
