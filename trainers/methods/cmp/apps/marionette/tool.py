"""What the page knows of the marionette. Nothing here imports torch or Starlette."""

from pathlib import Path

from trainers.page.tool import Tool

TOOL = Tool(
    name="marionette",
    title="Marionette",
    about="Pull arrows on an image: a trained network says how all of it moves, and the image moves with them.",
    static=Path(__file__).parent / "static",
    routes="trainers.methods.cmp.apps.marionette.routes:routes",
    order=2,
)
