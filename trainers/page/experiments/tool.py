"""What the page knows of its part on experiments. Nothing here imports torch or Starlette."""

from pathlib import Path

from trainers.page.tool import Tool

TOOL = Tool(
    name="experiments",
    title="Experiments",
    about="Watch trainings while they run, and put curves and evaluations of several side by side.",
    static=Path(__file__).parent / "static",
    routes="trainers.page.experiments.routes:routes",
    order=1,
)
