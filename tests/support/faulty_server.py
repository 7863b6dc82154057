"""A web server of a folder, on this machine, that misbehaves when told to."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path

Fault = Callable[["Handler", bytes], None]


class FaultyServer:
    """`url` is the folder's address; `faults[name]` what befalls the next requests for a file, one after the other.

    `asked` has each request: the file's name and its Range, if any. `handed_out` counts bytes of bodies, and `hits`
    connections.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.faults: dict[str, Iterator[Fault]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.handed_out: dict[str, int] = defaultdict(int)
        self.hits = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/shared"

    def befall(self, name: str, *faults: Fault, ever: bool = False) -> None:
        self.faults[name] = repeat(faults[0]) if ever else iter(faults)

    def asked_for(self, name: str) -> list[str | None]:
        return [part for asked, part in self.asked if asked == name]


@contextmanager
def serving(folder: Path) -> Iterator[FaultyServer]:
    server = FaultyServer(folder)
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.server.shutdown()
    server.server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: FaultyServer, *arguments) -> None:
        self.of = server
        server.hits += 1
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        file = self.of.folder / self.path.removeprefix("/shared/")
        self.begin(200 if file.is_file() else 404, str(file.stat().st_size if file.is_file() else 0))

    def do_GET(self) -> None:
        self.name = self.path.removeprefix("/shared/")
        part = self.headers.get("Range")
        self.of.asked.append((self.name, part))
        file = self.of.folder / self.name
        data = file.read_bytes() if file.is_file() else b""
        if fault := next(self.of.faults.get(self.name, iter(())), None):
            fault(self, data)
        elif not file.is_file():
            status(404)(self, b"")
        else:
            start = int(part.removeprefix("bytes=").rstrip("-")) if part else 0
            if start and start >= len(data):
                status(416)(self, b"")
            else:
                self.answer(data[start:], 206 if part else 200, start, len(data))

    def answer(self, body: bytes, code: int = 200, start: int = 0, total: int = 0) -> None:
        self.begin(
            code, str(len(body)), **{"Content_Range": f"bytes {start}-{total - 1}/{total}"} if code == 206 else {}
        )
        self.send(body)

    def begin(self, code: int, length: str | None, **headers: str) -> None:
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", length)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def send(self, body: bytes) -> None:
        self.of.handed_out[self.name] += len(body)
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.close()

    def log_message(self, *arguments) -> None:
        pass


def dropped(at: int) -> Fault:
    """The connection ends after so many bytes of what was asked for."""

    def fault(handler: Handler, data: bytes) -> None:
        part = handler.headers.get("Range")
        start = int(part.removeprefix("bytes=").rstrip("-")) if part else 0
        handler.begin(
            206 if part else 200,
            str(len(data) - start),
            **({"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if part else {}),
        )
        handler.send(data[start : start + at])
        handler.wfile.flush()
        time.sleep(0.2)  # what has not been taken up by then is lost
        handler.hang_up()

    return fault


def truncated(at: int) -> Fault:
    """A shorter file, and a Content-Length that agrees."""
    return lambda handler, data: handler.answer(data[:at])


def unannounced(at: int) -> Fault:
    """No Content-Length, and the connection ends early."""

    def fault(handler: Handler, data: bytes) -> None:
        handler.begin(200, None, Connection="close")
        handler.send(data[:at])
        handler.hang_up()

    return fault


def claims(length: int) -> Fault:
    """The whole file under a Content-Length that is not its own."""

    def fault(handler: Handler, data: bytes) -> None:
        handler.begin(200, str(length))
        handler.send(data)
        handler.hang_up()

    return fault


def status(code: int, **headers: str) -> Fault:
    return lambda handler, data: handler.begin(code, "0", **headers)


def whole(handler: Handler, data: bytes) -> None:
    """The file from its start, whatever part was asked for."""
    handler.answer(data)


def other_part(handler: Handler, data: bytes) -> None:
    """Says that it is a part, but another one."""
    handler.begin(206, str(len(data)), Content_Range=f"bytes 0-{len(data) - 1}/{len(data)}")
    handler.send(data)


def stalled(seconds: float, at: int = 0) -> Fault:
    """Says nothing for a while, after so many bytes."""

    def fault(handler: Handler, data: bytes) -> None:
        if at:
            handler.begin(200, str(len(data)))
            handler.send(data[:at])
        time.sleep(seconds)
        handler.hang_up()

    return fault


def dripping(handler: Handler, data: bytes) -> None:
    """A byte now and then."""
    handler.begin(200, str(len(data)))
    try:
        for place in range(len(data)):
            handler.send(data[place : place + 1])
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        handler.close_connection = True


def tagged(etag: str | None, *, at: int | None = None, heeds: bool = True, other: bytes = b"") -> Fault:
    """The file, or another one, under a tag; the connection ends after `at` bytes of what was asked for.

    A server that `heeds` an If-Range sends all of a file that is not the one meant.
    """

    def fault(handler: Handler, data: bytes) -> None:
        data = other or data
        part = handler.headers.get("Range")
        if heeds and handler.headers.get("If-Range", etag) != etag:
            part = None
        start = int(part.removeprefix("bytes=").rstrip("-")) if part else 0
        headers = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if part else {}
        handler.begin(
            206 if part else 200, str(len(data) - start), **headers | ({"ETag": etag} if etag is not None else {})
        )
        handler.send(data[start:][:at])
        if at is not None:
            handler.wfile.flush()
            time.sleep(0.2)
            handler.hang_up()

    return fault


def without_end(start: bytes, again: bytes) -> Fault:
    """Says something, and then something else every twentieth of a second, until nobody listens."""

    def fault(handler: Handler, data: bytes) -> None:
        try:
            handler.wfile.write(start)
            while True:
                handler.wfile.write(again)
                time.sleep(0.05)
        except OSError:
            handler.close_connection = True

    return fault


NO_HEAD_ENDS = {
    "a head byte by byte": without_end(b"HTTP/1.1 200 OK\r\nServer: ", b"a"),
    "many headers": without_end(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "hints": without_end(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "continue": without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
NO_BODY_ENDS = {
    "a chunk's head": without_end(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"),
    "a trailer": without_end(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n"),
}


def flipped(place: int) -> Fault:
    return lambda handler, data: handler.answer(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


def locked(handler: Handler, data: bytes) -> None:
    """Wants the name and password `reader` and `secret`."""
    known = handler.headers.get("Authorization") == "Basic cmVhZGVyOnNlY3JldA=="
    handler.answer(data) if known else status(401)(handler, data)


def redirect(to: str) -> Fault:
    return status(302, Location=to)


def robots_told(*values: str) -> Fault:
    """The file from its start, with a header `X-Robots-Tag` of each value."""

    def fault(handler: Handler, data: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        for value in values:
            handler.send_header("X-Robots-Tag", value)
        handler.end_headers()
        handler.send(data)

    return fault


def page(handler: Handler, data: bytes) -> None:
    body = b"<html>Please log in</html>"
    handler.begin(200, str(len(body)), Content_Type="text/html")
    handler.send(body)


def endless(handler: Handler, data: bytes) -> None:
    """Grows without end, until nobody listens."""
    handler.begin(200, None, Connection="close")
    try:
        handler.send(data)
        while True:
            handler.send(bytes(65536))
    except OSError:
        handler.close_connection = True
