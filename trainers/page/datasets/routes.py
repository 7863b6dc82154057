"""What the page asks: the views there are, rows of one, and members of a sample as pictures or numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from common_fate.errors import UserError
from common_fate.shards.members import member
from trainers.page.answers import Json, jpeg, whole
from trainers.page.datasets.arrays import array_answer, stepped, thumbnail
from trainers.page.datasets.facts import motion_facts, row_facts, sample_facts, view_facts
from trainers.page.datasets.filters import Filter, Rows
from trainers.page.datasets.listing import list_datasets
from trainers.page.datasets.measures import Motions
from trainers.page.datasets.opened import View, Views
from trainers.page.datasets.reading import Reader, warm_up
from trainers.page.site import Site

MOST_ROWS = 200
"""Of an answer."""
MOST_SUGGESTED = 50
_KEPT = {"Cache-Control": "private, max-age=604800, immutable"}
"""Of pictures whose address has the version of the view."""

Query = Mapping[str, str]


def routes(site: Site) -> Sequence[Route]:
    """Returns the routes under `/api/datasets`."""
    views, reader = Views(site), Reader(site)
    motions = Motions(reader)
    rows = Rows(motions)

    def opened(query: Query) -> View:
        return views.view(query.get("dataset", ""), query.get("view", ""))

    def of_row(query: Query) -> tuple[View, int]:
        view = opened(query)
        if query.get("version", view.version) != view.version:
            raise UserError(f"{view.dataset} {view.name} was made again meanwhile: reload the page")
        return view, whole(query.get("row"), "row", 0, len(view) - 1)

    def datasets(query: Query) -> Any:
        warm_up()
        return list_datasets(site)

    def about(query: Query) -> Any:
        warm_up()
        return view_facts(opened(query), reader)

    def motion(query: Query) -> Any:
        return motion_facts(opened(query), motions)

    def videos(query: Query) -> Any:
        view, part = opened(query), query.get("part", "").lower()
        found = (video for video in view.videos if part in video.lower())
        return [video for video, _ in zip(found, range(MOST_SUGGESTED), strict=False)]

    def listed(query: Query) -> Any:
        view = opened(query)
        asked = Filter.of(query)
        found = rows.of(view, asked)
        speeds = motions.of(view).speeds if asked.moves else None
        first = whole(query.get("offset", 0), "offset", 0, 2**40)
        count = whole(query.get("count", MOST_ROWS), "count", 0, MOST_ROWS)
        page = [row_facts(view, row, speeds) for row in found[first : first + count].tolist()]
        return {"version": view.version, "total": len(found), "rows": page}

    def found(query: Query) -> Any:
        """The row of a key, and its place among those that the filter lets through; where it does not, one near."""
        view = opened(query)
        row, shown = view.row(query.get("key", "")), rows.of(view, Filter.of(query))
        places = np.flatnonzero(shown == row)
        place = int(places[0]) if places.size else int(np.count_nonzero(shown < row))
        return {"row": row, "place": min(place, max(len(shown) - 1, 0)), "total": len(shown), "version": view.version}

    def sample(query: Query) -> Any:
        view, row = of_row(query)
        return sample_facts(site, view, row, reader)

    def small(query: Query) -> Response:
        (view, row), name = of_row(query), query.get("member", "jpg")
        answer = jpeg(thumbnail(name, reader.member(view, row, name)), 80)
        answer.headers.update(_KEPT)
        return answer

    def picture(query: Query) -> Response:
        (view, row), name = of_row(query), query.get("member", "jpg")
        value = reader.member(view, row, name)
        if member(name).geometry != "image":
            raise UserError(f"{name}: is no image")
        return jpeg(np.ascontiguousarray(stepped(value, "image")), 95)

    def array(query: Query) -> Response:
        (view, row), name = of_row(query), query.get("member", "")
        return array_answer(name, reader.member(view, row, name))

    def answered(function: Callable[[Query], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            found = await site.compute(function, dict(request.query_params))
            return found if isinstance(found, Response) else Json(found)

        return answer

    paths: dict[str, Callable[[Query], Any]] = {
        "/list": datasets,
        "/view": about,
        "/motion": motion,
        "/videos": videos,
        "/rows": listed,
        "/find": found,
        "/sample": sample,
        "/thumb": small,
        "/picture": picture,
        "/array": array,
    }
    return [Route(path, answered(function)) for path, function in paths.items()]
