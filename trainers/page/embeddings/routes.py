"""What the page asks about embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from common_fate.errors import UserError
from trainers.page.answers import Json, jpeg, json_of, whole
from trainers.page.answers import number as number_of
from trainers.page.embeddings import looks
from trainers.page.embeddings.embedded import Embedded, Embeddings
from trainers.page.site import Site
from trainers.registry import METHODS

MOST_PICTURES = 12
LONGEST = 512  # pixels of the longer side that the network sees, at most
LEAST = 64


def routes(site: Site) -> Sequence[Route]:
    """Returns the routes under `/api/embeddings`."""
    methods = tuple(method.name for method in METHODS.values() if method.embeds)
    embeddings = Embeddings(site.pictures)

    def of(model: str, pictures: Sequence[str], longest: int, look: bool = False) -> list[Embedded]:
        trained = site.models.load(model)
        if not trained.method.embeds:
            raise UserError(f"{model}: a network of {trained.method.name}, which embeds no pixels")
        return [embeddings.of(trained, (picture, longest), look) for picture in pictures]

    def prepared(model: str, pictures: Sequence[str], longest: int) -> dict[str, Any]:
        [one] = of(model, pictures[:1], longest, look=True)
        rows, columns, channels = one.vectors.shape
        return {
            **{"height": one.size[0], "width": one.size[1], "seen": {"height": one.seen[0], "width": one.seen[1]}},
            **{"rows": rows, "columns": columns, "channels": channels, "stride": one.stride, "seconds": one.seconds},
        }

    def similar(asked: tuple[str, Sequence[str], int], chosen: int, y: float, x: float) -> dict[str, Any]:
        return looks.similarity(of(*asked), chosen, y, x)

    def coloured(*asked: Any) -> dict[str, Any]:
        return looks.components(of(*asked))

    async def models(request: Request) -> Response:
        names = await site.compute(site.models.names, methods)
        found = [{"name": name, "method": method} for name, method in names.items()]
        return Json({"models": found, "methods": methods})

    async def shown(request: Request) -> Response:
        asked = request.query_params
        longest = whole(asked.get("longest"), "longest", LEAST, LONGEST)
        return jpeg(await site.compute(embeddings.shown, (asked.get("picture", ""), longest)))

    async def prepare(request: Request) -> Response:
        return Json(await site.compute(prepared, *_asked(await json_of(request))))

    async def similarity(request: Request) -> Response:
        body = await json_of(request)
        asked = _asked(body)
        chosen = whole(body.get("chosen"), "chosen", 0, len(asked[1]) - 1)
        y, x = (number_of(body.get(name), name, -1, 1e6) for name in "yx")
        return Json(await site.compute(similar, asked, chosen, y, x))

    async def components(request: Request) -> Response:
        return Json(await site.compute(coloured, *_asked(await json_of(request))))

    return [
        Route("/models", models),
        Route("/shown", shown),
        Route("/prepare", prepare, methods=["POST"]),
        Route("/similarity", similarity, methods=["POST"]),
        Route("/components", components, methods=["POST"]),
    ]


def _asked(body: Mapping[str, Any]) -> tuple[str, list[str], int]:
    """The model, the pictures and the longest side that are asked for."""
    model, pictures = body.get("model"), body.get("pictures")
    if not isinstance(model, str):
        raise UserError("model should be a name")
    if not isinstance(pictures, list) or not all(isinstance(one, str) for one in pictures):
        raise UserError("pictures should be a list of ids")
    if not 0 < len(pictures) <= MOST_PICTURES:
        raise UserError(f"{len(pictures)} pictures: should be 1 to {MOST_PICTURES}")
    return model, pictures, whole(body.get("longest"), "longest", LEAST, LONGEST)
