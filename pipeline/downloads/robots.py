"""What a server says of the use of a file, in the header `X-Robots-Tag`.

Google's "Robots meta tag, data-nosnippet, and X-Robots-Tag specifications"; `noai` and `noimageai` are DeviantArt's.
"""

from collections.abc import Iterator, Sequence

_WITH_VALUE = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")


def disallowed(headers: Sequence[str], directives: Sequence[str]) -> str | None:
    """Returns the first of the headers' directives, for whoever asks, that is among `directives`; None without any."""
    unwanted = {directive.lower() for directive in directives}
    return next((said for header in headers for said in _said(header) if said in unwanted), None)


def _said(header: str) -> Iterator[str]:
    """The directives of a header that are for all; those after `NAME:` are for that robot, and we are none of them."""
    for part in header.lower().split(","):
        before, colon, _ = part.partition(":")
        directive = before.strip()
        if colon and directive not in _WITH_VALUE and " " not in directive:  # with a space, a part of a date
            return
        yield from ("noindex", "nofollow") if directive == "none" else (directive,)
