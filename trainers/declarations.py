"""What a method and an evaluation declare of themselves. Nothing here imports torch: Snakemake reads it in every job.

What either does when it runs is an entry point, `module:name`, imported then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

NEEDS = ("model", "encoder", "features")
OWN = "own"
"""In place of the name of a view: the one that the experiment trains on."""

Variants = Mapping[str, Mapping[str, Any]]
"""What each variant of an axis overrides, by the variant's name."""


@dataclass(frozen=True)
class Method:
    """What can be trained: `python -m trainers train NAME`.

    Args:
        name: as in `experiments.X.method` of config.yaml.
        options: the frozen dataclass of its options; its field `training` is a `TrainingOptions` of
            `trainers.engine.options`, every other field the method's own.
        version: raised whenever the same options and shards give other weights; raising it trains anew.
        view: the view that it reads, or from options which one.
        task: the entry point of its `trainers.engine.task.Task`.
        encoder: from options the name of the image encoder in its network (`net.encoder`), or None where it has none
            with these; None: it never has one.
        embeds: whether its network embeds pixels: `net.embed`, from images `(B, 3, H, W)` in [0, 1], RGB, to vectors of
            length 1, `(B, C, h, w)`, one or more pixels apart.
        flow_network: from options what the pipeline's estimator `network:` makes of its network: `name` of
            `pipeline.columns.flow.networks.NETWORKS`, `options`, `frames` (2 or 3) and, where the network is a part of
            what is saved, the `prefix` of its weights' names; None: it estimates no flow.
        teachers: the methods whose trained networks may teach it; none: it takes no teacher.
        taught: from options whether it needs a teacher; where it does not, it takes none.
        teachable: from options and those of a teacher of its own method, raises ValueError where they do not fit; None:
            all do.
        trainable: from options and those of the source of a dataset to train on, raises ValueError where they do not
            fit, whose message starts with the option's path; None: all do.
        best_by: the metric of validation that is lowest with the best weights (`training.keep`); empty: none.
        evaluations: those that run where config.yaml does not say which, if they read the view that it trains on.
        recipes: presets of options by name, which a config's own go over.
        grids: presets of ablations: axes by name, each with its variants.
        apps: the entry point of a typer app for the use of what was trained, `python -m trainers NAME ...`; None: there
            is none.
        tools: the entry points of its parts of the page, `trainers.page.tool.Tool` each.
    """

    name: str
    options: type[Any]
    version: int
    view: str | Callable[[Any], str]
    task: str
    encoder: Callable[[Any], str | None] | None = None
    embeds: bool = False
    flow_network: Callable[[Any], Mapping[str, Any]] | None = None
    teachers: tuple[str, ...] = ()
    taught: Callable[[Any], bool] | None = None
    teachable: Callable[[Any, Any], None] | None = None
    trainable: Callable[[Any, Any], None] | None = None
    best_by: str = ""
    evaluations: tuple[str, ...] = ()
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    grids: Mapping[str, Mapping[str, Variants]] = field(default_factory=dict)
    apps: str | None = None
    tools: tuple[str, ...] = ()

    def encoder_for(self, options: Any) -> str | None:
        """Returns the name of the image encoder in its network with these options, its own dataclass."""
        return None if self.encoder is None else self.encoder(options)

    def check_teacher(self, options: Any, given: bool) -> None:
        """Raises ValueError where a teacher is given and not needed with these options, or the other way round."""
        if self.taught is not None and self.taught(options) != given:
            advice = "has no use for a teacher: leave it out" if given else "needs a teacher: give one"
            raise ValueError(f"{self.name} with these options {advice}")

    def view_for(self, options: Any) -> str:
        """Returns the view that it reads with these options, its own dataclass."""
        return self.view if isinstance(self.view, str) else self.view(options)


@dataclass(frozen=True)
class Evaluation:
    """What can be measured of anything that was trained: `python -m trainers evaluate NAME`.

    Args:
        name: as in `experiments.X.evaluate` of config.yaml.
        options: the frozen dataclass of its options.
        version: raised whenever the same options, weights and data give other numbers; raising it measures anew.
        run: the entry point, `trainers.evaluations.job.Job -> trainers.evaluations.result.Result`.
        needs: what it takes of an experiment, or from options which: `model`, the whole network; `encoder`, the image
            encoder in it; or `features`, its embedding of pixels, and of a method without one its image encoder.
        methods: those whose networks it can read; none: of any method (that has an encoder, where it needs one).
        view: the view that it reads of the datasets it is measured `on`, or `OWN`; None: it reads no view.
        learns_from: from options those of the datasets it is measured `on` that it learns from and does not measure:
            they may be what the experiment was trained on; None: it measures all.
        truth: whether it also reads the column `truth` of those datasets, where there is one.
        starts: what it is measured from where config.yaml does not say; the first is what was trained here, whatever
            that is called with other options.
        trains: whether it fine-tunes, so that it takes the experiment's devices; else it takes one.
        recipe: from an encoder's name (None: there is none) and config.yaml's own options those that stand before them.
        paths: from options the files and folders of the user's that have to be there, by the key's path.
        check: the entry point of what looks at the user's data before anything is trained, in a second or two, options
            -> None: it raises `UserError`, whose message starts with the key's path; None: nothing does. No torch.
    """

    name: str
    options: type[Any]
    version: int
    run: str
    needs: str | Callable[[Any], str]
    methods: tuple[str, ...] = ()
    view: str | None = None
    learns_from: Callable[[Any], tuple[str, ...]] | None = None
    truth: bool = False
    starts: tuple[str, ...] = ("model", "scratch")
    trains: bool = False
    recipe: Callable[[str | None, Mapping[str, Any]], Mapping[str, Any]] | None = None
    paths: Callable[[Any], Mapping[str, str]] | None = None
    check: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.needs, str) and self.needs not in NEEDS:
            raise ValueError(f"needs is {self.needs!r}: should be one of {', '.join(NEEDS)}")

    def needs_for(self, options: Any) -> str:
        """Returns what it takes of an experiment with these options, its own dataclass."""
        return self.needs if isinstance(self.needs, str) else self.needs(options)

    def trained(self, options: Any) -> str:
        """Returns what a start at the experiment's own weights is called, as is their file: model or encoder."""
        return "encoder" if self.needs_for(options) == "encoder" else "model"

    def starts_for(self, options: Any) -> tuple[str, ...]:
        """Returns what it is measured from with these options where config.yaml does not say."""
        return (self.trained(options), *self.starts[1:])


def entry_point(where: str) -> Any:
    """Imports what `module:name` names."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
