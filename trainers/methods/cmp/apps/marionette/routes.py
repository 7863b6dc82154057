"""What the page asks of the marionette: an image, what its arrows lead to, frames, and files of them.

What takes long is answered in parts, so that the page can say how far it is: a letter, a length in four bytes (big
end first), and as many bytes. `f` is a frame or a file, `t` a step that is done, `e` an error in words, the last part.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from common_fate.errors import UserError
from common_fate.pictures import Picture, color_wheel_legend
from trainers.methods.cmp.apps.animate import animate
from trainers.methods.cmp.apps.marionette.asked import Asked, Film, asked_of, film_of
from trainers.methods.cmp.apps.marionette.films import film_bytes, there_and_back
from trainers.methods.cmp.apps.marionette.motion import pull
from trainers.methods.cmp.apps.marionette.opened import Opened
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions
from trainers.page.answers import Json, jpeg, json_of, png
from trainers.page.site import Site

_log = logging.getLogger(__name__)
_KINDS = ("mp4", "gif")


def routes(site: Site) -> Sequence[Route]:
    """Returns the routes of the marionette."""
    opened = Opened(site.pictures)

    def start(image: str, model: str) -> dict[str, Any]:
        net, options = _network(site, model)
        picture, size = opened.open(image)
        # What compiles at the first use does it now, not at the first arrow.
        pull(net, options, picture, [[0, 0, 0, 0]])
        return {"picture": _coded(picture), "height": size[0], "width": size[1]}

    def predicted(asked: Asked) -> dict[str, Any]:
        net, options = _network(site, asked.model)
        found = pull(net, options, opened.get(asked.image), asked.arrows)
        return {
            "moved": _coded(found.moved),
            "flow": _coded(found.colors),
            "full": found.full,
            "taken": found.taken.tolist(),
        }

    def frames_of(asked: Asked, film: Film) -> Iterator[Picture]:
        net, options = _network(site, asked.model)
        return animate(net, options, opened.get(asked.image), asked.arrows, film.frames)

    async def open_image(request: Request) -> Response:
        asked = request.query_params
        return Json(await site.compute(start, asked.get("image", ""), asked.get("model", "")))

    async def predict(request: Request) -> Response:
        asked = asked_of(await json_of(request))
        return Json(await site.compute(predicted, asked))

    async def wheel(request: Request) -> Response:
        return png(color_wheel_legend(128))

    async def frames(request: Request) -> Response:
        sent = await json_of(request)
        asked, film = asked_of(sent), film_of(sent)
        made = await site.compute(frames_of, asked, film)
        first = await site.compute(next, made)  # what cannot be done is said here, as an answer of its own

        async def parts() -> AsyncIterator[bytes]:
            frame: Picture | None = first
            while frame is not None:
                yield _part(b"f", bytes(jpeg(frame).body))
                frame = await site.compute(next, made, None)

        return StreamingResponse(_whole(parts()), media_type="application/octet-stream")

    async def save(request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in _KINDS:
            raise UserError(f"an animation is saved as {' or '.join(_KINDS)}, not as {kind}")
        sent = await json_of(request)
        asked, film = asked_of(sent), film_of(sent)
        made = await site.compute(frames_of, asked, film)
        pictures = [await site.compute(next, made)]

        async def parts() -> AsyncIterator[bytes]:
            yield _part(b"t")
            while (frame := await site.compute(next, made, None)) is not None:
                pictures.append(frame)
                yield _part(b"t")
            shown = there_and_back(pictures) if film.back else pictures
            yield _part(b"f", await asyncio.to_thread(film_bytes, kind, shown, film.speed))

        return StreamingResponse(_whole(parts()), media_type="application/octet-stream")

    return [
        Route("/open", open_image),
        Route("/wheel", wheel),
        Route("/predict", predict, methods=["POST"]),
        Route("/frames", frames, methods=["POST"]),
        Route("/save/{kind}", save, methods=["POST"]),
    ]


def _network(site: Site, name: str) -> tuple[CMPNet, CMPOptions]:
    trained = site.models.load(name)
    if not isinstance(trained.net, CMPNet):
        raise UserError(f"the model {name} is one of {trained.method.name}: choose one of cmp")
    return trained.net, trained.options


def _coded(picture: Picture) -> str:
    return base64.b64encode(bytes(jpeg(picture).body)).decode()


def _part(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">cI", kind, len(data)) + data


async def _whole(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Ends parts in words where something goes wrong after the answer has begun."""
    try:
        async for part in parts:
            yield part
    except UserError as error:
        yield _part(b"e", str(error).encode())
    except Exception as error:
        _log.error("an animation", exc_info=error)
        yield _part(b"e", f"{type(error).__name__}: see the terminal that the page was started in".encode())
