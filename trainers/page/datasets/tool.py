"""What the page is told of this part. Nothing here imports Starlette."""

from pathlib import Path

from trainers.page.tool import Tool

TOOL = Tool(
    name="datasets",
    title="Datasets",
    about="Scroll through every sample of a view and through what failed, and look at each closely.",
    static=Path(__file__).parent / "static",
    routes="trainers.page.datasets.routes:routes",
)
