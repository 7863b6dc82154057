"""The models that come with the project: weights trained here, used where no model is given. No torch."""

from pathlib import Path

from common_fate.errors import UserError

FOLDER = Path(__file__).parents[1] / "weights"
"""METHOD.safetensors each, with its record METHOD.json; `python -m trainers ship` writes both."""
NAME = "shipped"
"""What a config and the command line call them."""


def shipped_model(method: str) -> Path:
    """Returns the file of the model of a method that comes with the project.

    Raises:
        UserError: none does.
    """
    path = FOLDER / f"{method}.safetensors"
    if not path.is_file():
        raise UserError(f"'{NAME}' means the weights that come with this project, and it has none of {method}")
    return path
