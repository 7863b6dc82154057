"""Who may ask: whoever has the token, from a page of this address. What a browser may load: what this server has.

The token is in the address that is printed. It is exchanged for a cookie, so that it stays in no history and no link;
what changes something has to carry a header that no other site's page can send without being asked first.
"""

import hmac
import re
from collections.abc import Awaitable, Callable

from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp

HEADER = "x-common-fate"
"""That requests which change something carry; pages of other sites cannot."""
_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[\w.-]+)(:[0-9]*)?", re.ASCII)
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_REFUSED = "This page needs the address with the token that the server printed when it started: open that one."


class Access(BaseHTTPMiddleware):
    """Lets in requests with the token, and says to browsers what the page may load.

    Args:
        token: the secret of the address; empty: everyone is let in.
        cookie: the name of the cookie, its own for each port.
        hosts: the names by which this server may be called, so that no foreign name can be pointed at it; none: any.
    """

    def __init__(self, app: ASGIApp, token: str, cookie: str, hosts: tuple[str, ...] = ()) -> None:
        super().__init__(app)
        self._token, self._cookie, self._hosts = token, cookie, hosts

    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = self._refused(request) or self._welcomed(request) or await call_next(request)
        response.headers.update(_HEADERS)
        if "cache-control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response

    def _refused(self, request: Request) -> Response | None:
        if self._hosts and _host(request) not in self._hosts:
            return PlainTextResponse("This server is not called by this name.", 421)
        if not self._known(request):
            return PlainTextResponse(_REFUSED, 403)
        if request.method not in ("GET", "HEAD") and HEADER not in request.headers:
            return PlainTextResponse("Only the page itself may change something.", 403)
        return None

    def _welcomed(self, request: Request) -> Response | None:
        """Exchanges the token in an address for the cookie."""
        if not self._token or "token" not in request.query_params:
            return None
        response = RedirectResponse("/" + request.scope["path"].lstrip("/\\"), 303)  # `//NAME` would be another server
        response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
        return response

    def _known(self, request: Request) -> bool:
        given = request.query_params.get("token") or request.cookies.get(self._cookie, "")
        return not self._token or hmac.compare_digest(given.encode(), self._token.encode())


def _host(request: Request) -> str:
    """The name by which the server is called, by the header alone: `request.url` puts the server's own address in place
    of what it takes for no name, such as one with an underscore, which browsers ask for all the same.
    """
    found = _HOST.fullmatch(request.headers.get("host", ""))
    return found[1].strip("[]").lower() if found else ""
