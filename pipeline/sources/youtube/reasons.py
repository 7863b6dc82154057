"""Why a video did not come, from what yt-dlp raises: gone, another time, or refused."""

import re
from collections.abc import Iterator
from enum import Enum
from http import HTTPStatus

from yt_dlp.cookies import CookieLoadError
from yt_dlp.networking.exceptions import HTTPError, NoSupportingHandlers, TransportError
from yt_dlp.utils import ContentTooShortError, ExtractorError, GeoRestrictedError, UnsupportedError, UserNotLive

from common_fate.errors import UserError
from pipeline.downloads.policy import Gone, Later


class Refusal(Enum):
    """A refusal by the server, and what it takes the request for."""

    ROBOT = "the server asks to prove that no robot is at work"
    RATE = "the server says that it is asked too often"
    FORBIDDEN = "the server answers 403 Forbidden"


class Unsolved(Exception):
    """YouTube's player could not be run, so that streams are missing which are there."""


_REFUSALS = [
    (r"not a (ro)?bot|captcha", Refusal.ROBOT),
    (r"rate-limited|try again later|too many requests", Refusal.RATE),
]
_CONNECTION = "the connection failed, or the server was silent"
_NO_VIDEO = "no video at this address"
_NO_STREAM = "no stream in the format and height asked for"
_MEMBERS, _PAID = "for the channel's members only", "to be paid for"
_AGE, _LOGGED_IN = "age-restricted", "for those who are logged in"
WITH_ACCOUNT = (_MEMBERS, _PAID, _AGE, _LOGGED_IN)
"""Reasons that an account's cookies may do away with."""
_GONE = [  # the words of YouTube, and of yt-dlp's other sites where they use the same; the first that fits
    (r"private video|video is private", "private"),
    (r"account .*(terminated|closed)|(user|channel) .*terminated", "the account was terminated"),
    (r"members[- ]only|join this channel|channel's members|members on level", _MEMBERS),
    (r"requires payment|purchase|rent(al)? |premium", _PAID),
    (r"confirm your age|age[- ]restricted|inappropriate for some users", _AGE),
    (r"in your country|geo[- ]?restrict|from your location", "not available in this country"),
    (r"copyright", "blocked for copyright"),
    (r"removed|deleted|no longer available|does ?n.t exist", "removed"),
    (r"drm protected|protected by drm", "protected by DRM"),
    (r"live event will begin|premieres? in|premiere will begin|not currently live", "a live stream that has not begun"),
    (r"live stream", "a live stream without a recording"),
    (r"requested format is not available|only images are available", _NO_STREAM),
    (r"no video formats found", _NO_VIDEO),
    (r"registered users|login required|log ?in |sign in|cookies", _LOGGED_IN),
    (r"unavailable|not available|isn.t available", "not available"),
]
_SHORT_OF = re.compile(r"javascript runtime|solving failed|challenge solver", re.IGNORECASE)


def reason(error: Exception, warnings: list[str]) -> Exception | Refusal:
    """Returns `Gone` or `Later` with its reason, a refusal, `Unsolved`, or what one of our own hooks and checks raised.

    An error of the disk comes back as it is.

    Args:
        warnings: what yt-dlp has said before.
    """
    chain = list(_chain(error))
    ours = next((one for one in chain if isinstance(one, Gone | Later | UserError)), None)
    said = " ".join(one.orig_msg for one in chain if isinstance(one, ExtractorError)).replace("’", "'")
    return (
        ours
        or _by_kind(chain)
        or _refusal(said)
        or _by_network(chain)
        or _gone(said, warnings)
        or next((one for one in chain if isinstance(one, OSError)), None)  # the disk's
        or _by_words(str(error))
        or Later("yt-dlp cannot make out this page: a newer yt-dlp may")
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came from; yt-dlp keeps them in several places."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        info = getattr(one, "exc_info", None) or (None, None)
        waiting += [getattr(one, "cause", None), info[1], one.__cause__, one.__context__]


def _by_kind(chain: list[BaseException]) -> Exception | None:
    for one in chain:
        if isinstance(one, CookieLoadError):
            return UserError("download.cookies: the file is not in Netscape's format: export it anew")
        if isinstance(one, GeoRestrictedError):
            return Gone("not available in this country")
        if isinstance(one, UserNotLive):
            return Gone("a live stream that has not begun")
        if isinstance(one, UnsupportedError):
            return Gone(_NO_VIDEO)
    return None


def _refusal(said: str) -> Refusal | None:
    return next((refusal for pattern, refusal in _REFUSALS if re.search(pattern, said, re.IGNORECASE)), None)


def _gone(said: str, warnings: list[str]) -> Exception | None:
    for pattern, why in _GONE:
        if re.search(pattern, said, re.IGNORECASE):
            unsolved = why in (_NO_STREAM, _NO_VIDEO) and any(map(_SHORT_OF.search, warnings))
            return Unsolved() if unsolved else Gone(why)
    return None


def _by_network(chain: list[BaseException]) -> Exception | Refusal | None:
    for one in chain:
        if isinstance(one, HTTPError):
            return _by_status(one.status, one.redirect_loop)
    for one in chain:
        if isinstance(one, TransportError | ContentTooShortError):
            return Later(_CONNECTION)
        if isinstance(one, NoSupportingHandlers):
            return Gone("an address of a kind that is not opened")
    return None


def _by_words(text: str) -> Exception | Refusal | None:
    """Of a fault that came up too often while bytes were coming: of that, yt-dlp passes on no more than words."""
    if match := re.search(r"Got error: HTTP Error (\d{3})", text):
        return _by_status(int(match[1]), redirect_loop=False)
    return Later(_CONNECTION) if "Got error: " in text else None


def _by_status(status: int, redirect_loop: bool) -> Exception | Refusal:
    if redirect_loop:
        return Gone("the server redirects it again and again")
    if status == HTTPStatus.FORBIDDEN:
        return Refusal.FORBIDDEN
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Refusal.RATE
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return Gone("there is no such page or file")
    if status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT:
        return Later(f"the server answers {status}")
    return Gone(f"the server answers {status}")
