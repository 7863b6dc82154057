"""The ways things go wrong that are not bugs."""


class UserError(Exception):
    """Something the user can put right. The command line prints the message as one line and exits with 1."""


class SampleError(ValueError):
    """One sample cannot be made. The runner turns it into a failure row whose reason is the message.

    The message is part of the commit record: it names no path, no time and no host.
    """


class ShardError(UserError):
    """A shard, its record or a member is damaged or missing. The message names the file, and the key if any."""
