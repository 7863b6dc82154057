"""What the page asks about experiments."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from common_fate.errors import UserError
from trainers.page.answers import Json, whole
from trainers.page.experiments.curves import curves_of
from trainers.page.experiments.evaluations import MOST_COMPARED, Results, compared
from trainers.page.experiments.listing import Experiments
from trainers.page.site import Site

MOST_NUMBER = 2**52  # that JavaScript sends as it is


def routes(site: Site) -> Sequence[Route]:
    """Returns the routes under `/api/experiments`."""
    experiments = Experiments(site)
    results = Results(experiments)

    async def listed(request: Request) -> Response:
        return Json(await site.compute(experiments.all))

    async def curves(request: Request) -> Response:
        asked = request.query_params
        generation = whole(asked.get("generation", -1), "generation", -1, MOST_NUMBER)
        after = whole(asked.get("after", 0), "after", 0, MOST_NUMBER)
        name, source = asked.get("experiment", ""), asked.get("source", "")
        return Json(await site.compute(curves_of, experiments, name, source, generation, after))

    async def evaluations(request: Request) -> Response:
        names = list(dict.fromkeys(request.query_params.getlist("experiment")))
        if len(names) > MOST_COMPARED:
            raise UserError(f"{len(names)} experiments: at most {MOST_COMPARED} side by side")
        return Json(await site.compute(compared, results, names))

    async def picture(request: Request) -> Response:
        asked = request.query_params
        name, evaluation, start = (asked.get(key, "") for key in ("experiment", "evaluation", "start"))
        number = whole(asked.get("number", 0), "number", 0, 1000)
        picture = await site.compute(results.picture, name, evaluation, start, number)
        return Response(picture, media_type="image/png")

    return [
        Route("/list", listed),
        Route("/curves", curves),
        Route("/evaluations", evaluations),
        Route("/picture", picture),
    ]
