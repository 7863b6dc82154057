"""How a dataset's videos are fetched, and the ways in which one may not come."""

from dataclasses import dataclass
from typing import Any

from common_fate.errors import SampleError, UserError
from pipeline.option import option


@dataclass(frozen=True)
class DownloadPolicy:
    """`datasets.NAME.download` of config.yaml. None of it shapes a shard, so that changing it redoes nothing."""

    store: str = option(
        "downloads", "the folder that keeps videos by content; several datasets, projects and users may share one"
    )
    keep_videos: bool = option(True, "false: a video goes once its frames are in a shard")
    allow_hosts: tuple[str, ...] = option(
        (), "names, IP addresses, or `*.example.org` for all below a name; without any, every public host"
    )
    allow_paths: tuple[str, ...] = option(
        (), "folders that `file:` addresses may lead into; without any, no file is read"
    )
    disallowed_header_directives: tuple[str, ...] = option(
        ("noai", "noimageai", "noindex", "noimageindex"),
        "a video whose server says one of these in `X-Robots-Tag` is not taken; `[]`: whatever it says",
    )
    s3_credentials: bool = option(
        False, "true: `s3://` addresses are read with your AWS credentials, and so may be what only you can read"
    )
    most_bytes: int = option(2**34, "of a video", minimum=1)
    pause: float = option(0.0, "seconds from the start of one download to that of the next in the same job", minimum=0)
    attempts: int = option(6, "in a row that bring nothing, until a video is left for another time", minimum=1)
    silence: float = option(30.0, "seconds without a byte after which an attempt is given up", minimum=1)
    most_rate: int | None = option(None, "bytes a second, of a job", minimum=10000)
    cookies: str | None = option(None, "a file in Netscape's format, for `youtube`")

    def __post_init__(self) -> None:
        for name in ("allow_hosts", "allow_paths", "disallowed_header_directives"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON has lists
        for name in ("most_bytes", "attempts"):
            _check(name, getattr(self, name), 1)
        _check("pause", self.pause, 0)
        _check("silence", self.silence, 1)
        if self.most_rate is not None:
            _check("most_rate", self.most_rate, 10_000)  # slower would look like a server that is stuck


def _check(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
        raise ValueError(f"{name} must be a number of at least {least}, not {value!r}")


class Missed(SampleError):
    """A video that did not come; the message is the reason in the record, and names no host, path or time.

    Args:
        turned_away_by: the host that turned us away (403, 429), where one did: of too many in a row a job stops.
        advice: what may help against that, beside asking less often.
    """

    def __init__(self, reason: str, turned_away_by: str = "", advice: str = "") -> None:
        super().__init__(reason)
        self.turned_away_by = turned_away_by
        self.advice = advice


class Gone(Missed):
    """A video that cannot be had, now or later: removed, private, no video at all."""


class Later(Missed):
    """A video that did not come, and may another time: the server was away, slow or busy, or config.yaml forbids it."""


class Blocked(UserError):
    """No video can be fetched by this job as things are; the message says what to do first."""
