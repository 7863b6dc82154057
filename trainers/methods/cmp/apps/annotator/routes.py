"""What the page asks of annotation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from common_fate.errors import UserError
from common_fate.pictures.labels import PALETTE
from trainers.methods.cmp.apps.annotate import run_lengths
from trainers.methods.cmp.apps.annotator.clicks import Clicks
from trainers.methods.cmp.apps.annotator.document import Document, object_json, objects_of, text
from trainers.methods.cmp.apps.annotator.exports import coco, objects_png
from trainers.methods.cmp.apps.annotator.layout import write_layout
from trainers.methods.cmp.apps.annotator.masks import Mask
from trainers.methods.cmp.apps.annotator.store import Opened, StaleError, Store, another_image
from trainers.page.answers import Json, error_answer, jpeg, json_of, whole
from trainers.page.site import Site

FOLDER = "annotations"
"""In the results; what is shown where nothing is written."""


def routes(site: Site) -> Sequence[Route]:
    """Returns the routes of annotation."""
    own = site.results / FOLDER
    folder = site.annotations or own
    store = Store(site.pictures, folder, site.results if folder == own else folder)
    clicks = Clicks(site.models)
    writable = site.annotations is not None
    writing = asyncio.Lock()

    async def images(request: Request) -> Response:
        found = await asyncio.to_thread(_listed, store)
        palette = ["#" + bytes(colour).hex() for colour in PALETTE[1:]]
        return Json({"images": found, "writable": writable, "palette": palette})

    async def picture(request: Request) -> Response:
        return jpeg((await asyncio.to_thread(store.open, _name(request))).picture, 92)

    async def opened(request: Request) -> Response:
        return Json(await asyncio.to_thread(_opened, store, _name(request)))

    async def ready(request: Request) -> Response:
        await site.compute(clicks.load, request.query_params.get("model", ""))
        return Json({})

    async def save(request: Request) -> Response:
        found = await json_of(request)
        try:
            async with writing:  # and not `site.compute`: what others compute keeps no click from the disk
                image, document = await asyncio.to_thread(_received, store, found, writable)
        except StaleError as error:
            return error_answer(str(error), 409)
        bases, trouble = await site.compute(_computed, clicks, image, document)
        if bases and writable:
            try:
                async with writing:
                    await asyncio.to_thread(store.complete, document, bases)
            except UserError as error:  # the clicks are saved, and the mask is made again when the image is opened
                trouble = f"The mask is not saved: {error}"
        coded = {place: run_lengths(mask) for place, mask in bases.items()}
        return Json({"revision": document.revision, "bases": coded, "trouble": trouble})

    async def labels(request: Request) -> Response:
        return Response(await asyncio.to_thread(_labels, store, _name(request)), media_type="image/png")

    async def as_coco(request: Request) -> Response:
        return Json(await site.compute(coco, store))

    async def segmentation(request: Request) -> Response:
        if not writable:
            raise UserError("nothing is written: the page was started with --read-only")
        return Json(await site.compute(write_layout, store))

    return [
        Route("/images", images),
        Route("/picture", picture),
        Route("/opened", opened),
        Route("/ready", ready),
        Route("/save", save, methods=["POST"]),
        Route("/labels", labels),
        Route("/coco", as_coco),
        Route("/segmentation", segmentation, methods=["POST"]),
    ]


def _name(request: Request) -> str:
    return request.query_params.get("image", "")


def _listed(store: Store) -> list[dict[str, Any]]:
    """The images in order, which of them are done, and the classes that were named on each."""
    found = []
    for name in store.images():
        try:
            document = store.read(name)
        except UserError:  # is said when the image is opened
            document = None
        classes = sorted({one.name for one in document.objects}) if document else []
        found.append({"name": name, "done": bool(document and document.done), "classes": classes})
    return found


def _opened(store: Store, name: str) -> dict[str, Any]:
    """An image and what was drawn on it."""
    image, document = store.open(name), store.read(name)
    other = document is not None and document.sha256 != image.sha256
    document = None if other else document
    return {
        "name": name,
        "sha256": image.sha256,
        "size": image.size,
        "work": image.picture.shape[:2],
        "revision": document.revision if document else 0,
        "done": bool(document and document.done),
        "objects": [object_json(one) for one in document.objects] if document else [],
        "other": another_image(name) if other else None,
    }


def _received(store: Store, found: dict[str, Any], writable: bool) -> tuple[Opened, Document]:
    """The image and its annotation that the page sent, which is saved where anything is."""
    image = store.open(text(found.get("image"), "image", 255))
    if found.get("sha256") != image.sha256:
        raise StaleError(f"{image.name} is another image than when it was opened: reload; nothing of this was saved")
    document = Document(
        image.name,
        image.sha256,
        image.size,
        whole(found.get("revision"), "revision", 0, 2**53),
        text(found.get("tab"), "tab", 80),
        found.get("done") is True,
        objects_of(found.get("objects"), image.size),
    )
    return image, store.save(document, found.get("anew") is True) if writable else document


def _computed(clicks: Clicks, image: Opened, document: Document) -> tuple[dict[int, Mask], str | None]:
    """The masks of clicks that the page has not yet, by the place of their objects, and why others have none."""
    bases: dict[int, Mask] = {}
    trouble = None
    for place, one in enumerate(document.objects):
        if one.clicked and one.base is None:
            try:
                bases[place] = clicks.mask(image, one)
            except UserError as error:
                trouble = f"No mask: {error}"
    return bases, trouble


def _labels(store: Store, name: str) -> bytes:
    image, document = store.open(name), store.read(name)
    if document is None or not document.objects:
        raise UserError(f"{name} has no object yet")
    if document.sha256 != image.sha256:
        raise UserError(another_image(name))
    return objects_png(document)
