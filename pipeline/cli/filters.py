"""What the filters remove from videos, on the command line: a table, and a picture."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from common_fate.errors import SampleError, UserError
from common_fate.shards.files import write_atomic
from pipeline.columns.frames.filters import CUT, DARK, DUPLICATE, FILTERS, PLAIN, Sieve, thumbnail
from pipeline.config.load import MIN_MOTION
from pipeline.stages.stage import Dropped, Sample

COLUMNS = ("video", "frames", "cuts", "taken", "black", "one colour", "duplicate", "pairs", "cut", "still")


@dataclass(frozen=True)
class _Removed:
    """Frames and pairs of a video as a dataset would have them, and the frames dropped by reason."""

    taken: int
    pairs: int
    dropped: dict[str, list[int]]

    def count(self, reason: str) -> int:
        return len(self.dropped[reason])


def filters(
    videos: Annotated[
        list[Path] | None, typer.Argument(help="Video files; by default a film made up for this.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="A picture to draw: .png or .jpg.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Each so many frames are taken, as select: {every: n} has it.")] = 5,
) -> None:
    """Say what the filters remove from videos, with all of them on: cuts, black, near-duplicates, still pairs."""
    if to and to.suffix not in (".png", ".jpg"):
        raise UserError(f"--to {to}: should end in .png or .jpg")
    if videos:
        _report(videos, to, every)
        return
    from pipeline.columns.frames.example_film import film, write_film

    with TemporaryDirectory() as folder:
        _report([write_film(Path(folder) / "example.mp4", film().pictures)], to, every)


def _report(videos: list[Path], to: Path | None, every: int) -> None:
    import cv2

    from common_fate.tables import text_table
    from pipeline.columns.flow.stage import STILL
    from pipeline.columns.frames.filter_pictures import Judged, draw_filters

    rows: list[list[Any]] = []
    judged = []
    failed = 0
    for path in videos:
        try:
            sieve, thumbnails = _watched(path)
            removed = _removed(path, every)
        except SampleError as error:
            typer.echo(f"{path}: {error}", err=True)
            failed += 1
            continue
        cuts = sieve.cuts()
        dropped, parted = [removed.count(reason) for reason in (DARK, PLAIN, DUPLICATE)], removed.count(CUT)
        taken, pairs = removed.taken + sum(dropped), removed.pairs + parted
        rows.append(
            [path.name, len(sieve.numbers), len(cuts), taken, *dropped, pairs, parted, removed.count(STILL)],
        )
        if to:
            title = f"{path.name}: {len(sieve.numbers)} frames, {f'one of {every}' if every > 1 else 'all'} taken"
            numbers, scores = sieve.numbers, sieve.scores()
            judged.append(Judged(title, numbers, sieve.differences, scores, thumbnails, cuts, removed.dropped))
    if rows:
        typer.echo(text_table(COLUMNS, rows))
    if judged and to:
        picture = cv2.cvtColor(draw_filters(judged), cv2.COLOR_RGB2BGR)
        write_atomic(to, cv2.imencode(to.suffix, picture)[1].tobytes())
    if failed:
        raise UserError(f"{failed} of {len(videos)} videos failed")


def _watched(path: Path) -> tuple[Sieve, list[Any]]:
    """A video with all its frames looked at, and their thumbnails."""
    from common_fate.datasets.catalog import Video
    from pipeline.sources.source import Frame
    from pipeline.sources.videos import SOURCE

    video, sieve, thumbnails = Video("v", "videos", str(path)), Sieve(FILTERS), []

    def frames() -> Iterator[Any]:
        for frame in SOURCE.read(video, SOURCE.numbers(video)):
            if isinstance(frame, Frame):
                thumbnails.append(thumbnail(frame.image))
                yield frame

    for _ in sieve.kept(frames(), ()):
        pass
    if not thumbnails:
        raise SampleError("none of its frames can be decoded")
    return sieve, thumbnails


def _removed(path: Path, every: int) -> _Removed:
    from common_fate.datasets.catalog import Video
    from common_fate.shards.codecs import decode
    from common_fate.shards.keys import frame_key
    from pipeline.columns.flow import STAGE, FlowOptions
    from pipeline.columns.frames import stage as frames

    options = frames.FramesOptions(select={"every": every}, pairs={"max_gap": max(9, every)}, filters=list(FILTERS))
    made: dict[str, Sample] = {}
    dropped: dict[str, list[int]] = defaultdict(list)

    def note(outcome: Any) -> None:
        if isinstance(outcome, Dropped):
            dropped[outcome.reason].append(int(outcome.key.rpartition("-")[2]))

    for outcome in frames.STAGE.run(iter([("v", {"video": Video("v", "videos", str(path))})]), options):
        note(outcome)
        if isinstance(outcome, tuple):
            made[outcome[0]] = outcome[1]
    starts = {key: sample for key, sample in made.items() if sample["json"]["next"] is not None}

    def pairs() -> Iterator[tuple[str, Sample]]:
        for key, sample in starts.items():
            following = made[frame_key("v", sample["json"]["next"])]
            yield (
                key,
                {"jpg": decode("jpg", sample["jpg"]), "next.jpg": decode("jpg", following["jpg"])}
                | {"json": sample["json"]},
            )

    for outcome in STAGE.run(pairs(), FlowOptions(min_motion=MIN_MOTION)):
        note(outcome)
    return _Removed(len(made), len(starts), dropped)
