"""The models that the page uses: those of experiments, and those that come with the project."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common_fate.errors import UserError
from trainers.models.shipped import FOLDER, NAME
from trainers.models.weights_file import read_about
from trainers.page.links import stays_inside

if TYPE_CHECKING:
    from trainers.models.saving import Trained

MODEL = "model.safetensors"
MOST_LOADED = 4


class Models:
    """Finds models by name, and keeps those in memory that were used last.

    Args:
        results: the folder of results; models are `experiments/NAME/model.safetensors` in it.
        shipped: the folder of the models that come with the project, METHOD.safetensors each.
    """

    def __init__(self, results: Path, shipped: Path = FOLDER) -> None:
        self._results, self._experiments, self._shipped = results, results / "experiments", shipped
        self._loaded: OrderedDict[tuple[Path, int], Trained] = OrderedDict()
        self._lock = threading.Lock()

    def names(self, methods: Sequence[str] = ()) -> Mapping[str, str]:
        """Returns the method of each model there is, by its name; of some methods only, where these are given.

        Those that come with the project come last. A file that is no model is left out.
        """
        found = {}
        for name, path in self._paths().items():
            try:
                method = str(read_about(path).get("method", ""))
            except UserError:
                continue
            if method and (not methods or method in methods):
                found[name] = method
        return found

    def load(self, name: str) -> Trained:
        """Returns a model by name, on the GPU where there is one.

        Raises:
            UserError: there is no such model, or its file is damaged.
        """
        paths = self._paths()
        if name not in paths:
            raise UserError(f"there is no model {name} (any more)")
        path = paths[name]
        with self._lock:
            key = (path, path.stat().st_mtime_ns)
            if key not in self._loaded:
                import torch

                from trainers.models.saving import load_model

                trained = load_model(path)
                trained.net.to("cuda" if torch.cuda.is_available() else "cpu")
                self._loaded[key] = trained
                while len(self._loaded) > MOST_LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def _paths(self) -> dict[str, Path]:
        root = self._results.resolve()
        made = {path.parent.name: path for path in sorted(self._experiments.glob(f"*/{MODEL}"))}
        inside = {name: path for name, path in made.items() if stays_inside(path, root)}
        return inside | {f"{NAME}:{path.stem}": path for path in sorted(self._shipped.glob("*.safetensors"))}
