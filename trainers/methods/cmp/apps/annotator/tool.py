"""What the page knows of annotation. Nothing here imports torch or Starlette."""

from pathlib import Path

from trainers.page.tool import Tool

TOOL = Tool(
    name="annotate",
    title="Annotate",
    about="Click on what moves as one: masks of a folder's images by clicks and a brush, saved as you go.",
    static=Path(__file__).parent / "static",
    routes="trainers.methods.cmp.apps.annotator.routes:routes",
    order=3,
)
