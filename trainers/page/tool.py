"""What a part of the page declares of itself. Nothing here imports torch or Starlette."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tool:
    """A part of the page: an ES module that draws it, and the routes that the module asks.

    Args:
        name: in addresses: `#/NAME/...` on the page, `/api/NAME/...` for its routes, `/tools/NAME/...` for its files.
        title: in the page's menu.
        about: what one does with it, a sentence.
        static: the folder of its files; `tool.js` in it exports `open(main, parts, site)`, see static/app.js.
        routes: the entry point of its routes under `/api/NAME`, `trainers.page.site.Site -> Sequence[Route]`, called
            once, when one of them is first asked for.
        order: of the page's menu, the smallest first.
    """

    name: str
    title: str
    about: str
    static: Path
    routes: str
    order: int = 0
