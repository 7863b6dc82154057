"""The options of an evaluation: what config.yaml or a person gives, over the recipe of the encoder. No torch here."""

from collections.abc import Mapping
from typing import Any

from trainers.declarations import Evaluation
from trainers.engine.options import build, merged


def evaluation_options(evaluation: Evaluation, encoder: str | None, values: Mapping[str, Any]) -> Any:
    """Returns the evaluation's dataclass from plain JSON values, over its recipe for an encoder where it has them.

    Args:
        encoder: the name of the experiment's image encoder; None where it has none.

    Raises:
        ValueError: an option is missing or unknown, or a value is refused; the message starts with the key's path.
    """
    base = evaluation.recipe(encoder, values) if evaluation.recipe else {}
    return build(evaluation.options, merged(base, values))
