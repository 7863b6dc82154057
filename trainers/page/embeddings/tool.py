"""What the page knows of its part on embeddings. Nothing here imports torch or Starlette."""

from pathlib import Path

from trainers.page.tool import Tool

TOOL = Tool(
    name="embeddings",
    title="Embeddings",
    about="Choose a pixel, and see what a network holds to be similar, in its picture and in others.",
    static=Path(__file__).parent / "static",
    routes="trainers.page.embeddings.routes:routes",
    order=4,
)
