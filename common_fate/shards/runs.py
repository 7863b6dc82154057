"""Runs: many frames of a video in one text, so that a record does not grow with all that failed or was left out.

`ape-000010..000030` stands for the frames 10 to 30 of `ape`, and `ape-000010..000030:5` for each fifth of them. A key
is a run of one sample.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator
from itertools import accumulate
from typing import Generic, NamedTuple, TypeVar

from common_fate.errors import UserError
from common_fate.shards.keys import KEY, MAX_FRAME, VIDEO, frame_key, frame_of, video_of
from common_fate.shards.limits import MAX_SAMPLES, quoted

RUN = re.compile(rf"({VIDEO.pattern})-([0-9]{{6,12}})\.\.([0-9]{{6,12}})(?::([0-9]{{1,12}}))?")
MOST_LISTED = MAX_SAMPLES
"""Of more than these, a record lists runs: former versions listed all, and had no more."""

FEWER = (
    "take fewer frames of each video (`frames: {select: ...}` in config.yaml), or lower videos_per_shard and delete "
    "plan.json, so that the shards are planned afresh"
)
"""What to do about a shard that would hold too much."""

Said = TypeVar("Said", bound=Hashable)


class Run(NamedTuple):
    """The frames from `first` to `last` of a video, each `step`-th; both are None where the video itself is meant."""

    video: str
    first: int | None
    last: int | None
    step: int = 1

    @classmethod
    def of(cls, text: str) -> "Run":
        """Returns what a key or a run stands for. Raises ValueError where it is neither."""
        if KEY.fullmatch(text):
            return cls(video_of(text), frame_of(text), frame_of(text))
        if not (found := RUN.fullmatch(text)):
            raise ValueError(f"{quoted(text)} is no key of a sample, which is VIDEO-FRAME, of letters, digits and _")
        video, first, last, step = found[1], int(found[2]), int(found[3]), int(found[4] or 1)
        if not (first < last <= MAX_FRAME and step > 0 and (last - first) % step == 0):
            raise ValueError(f"{quoted(text)} is no run of frames")
        return cls(video, first, last, step)

    def __str__(self) -> str:
        if self.first is None or self.last is None:
            return self.video
        key = frame_key(self.video, self.first)
        if self.first == self.last:
            return key
        return f"{key}..{self.last:06d}" + (f":{self.step}" if self.step > 1 else "")

    @property
    def frames(self) -> range:
        """The numbers of its frames; none of a video itself."""
        return range(0) if self.first is None or self.last is None else range(self.first, self.last + 1, self.step)

    def followed(self, other: "Run") -> "Run | None":
        """Returns this run with one more frame; None where that does not go on with it."""
        if self.first is None or self.last is None or other.first is None or other.first != other.last:
            return None
        step = other.first - self.last
        return Run(self.video, self.first, other.last, step) if step > 0 and self._goes_on(step) else None

    def _goes_on(self, step: int) -> bool:
        return self.first == self.last or step == self.step


def check_runs(texts: Iterable[str]) -> None:
    """Raises ValueError where a text is neither a key nor a run."""
    for text in texts:
        Run.of(text)


def keys_of(text: str) -> Iterator[str]:
    """Yields the keys that a key or a run stands for."""
    run = Run.of(text)
    return (frame_key(run.video, frame) for frame in run.frames) if run.first is not None else iter([text])


def first_key(text: str) -> str:
    """Returns a key, or the first that a run stands for."""
    return next(keys_of(text))


def count(texts: Iterable[str]) -> int:
    """Returns how many samples keys and runs stand for; the key of a whole video counts as one."""
    return sum(len(Run.of(text).frames) or 1 for text in texts)


class Listed(Generic[Said]):
    """Keys, and what is said of each, as a record lists them: one by one, or as runs where they are more than `most`.

    `count` is how many samples they are.
    """

    def __init__(self, most: int | None = None) -> None:
        self.count = 0
        self._most = MOST_LISTED if most is None else most
        self._rows: list[tuple[Said, str]] = []
        self._runs: list[tuple[Said, Run]] = []
        self._open: dict[tuple[Said, str], int] = {}

    def add(self, said: Said, text: str) -> None:
        """Adds a key, or a run that another record has."""
        self.count += count([text])
        self._rows.append((said, text))
        if self.count > self._most:
            for row in self._rows:
                self._pack(*row)
            self._rows.clear()

    def rows(self) -> list[tuple[Said, str]]:
        """Returns what is said with each key or run, in the order in which they came, runs by their first frame.

        Raises:
            UserError: they are too many even so.
        """
        if len(self._runs) > MAX_SAMPLES:
            raise UserError(
                f"{self.count} samples failed or were left out, in {len(self._runs)} runs of frames; "
                f"a shard has at most {MAX_SAMPLES}: {FEWER}"
            )
        return [*((said, str(run)) for said, run in self._runs), *self._rows]

    def _pack(self, said: Said, text: str) -> None:
        run = Run.of(text)
        place = self._open.get((said, run.video))
        if place is not None and (longer := self._runs[place][1].followed(run)):
            self._runs[place] = said, longer
        else:
            self._open[said, run.video] = len(self._runs)
            self._runs.append((said, run))


def compacted(rows: Iterable[tuple[Said, str]]) -> list[tuple[Said, str]]:
    """Returns rows with as few runs as there can be, whether they were keys or runs; the same rows have the same."""
    listed = Listed[Said](most=0)
    for said, text in rows:
        listed.add(said, text)
    return [(said, str(run)) for said, run in listed._runs]


def by_reason(rows: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Returns what a record says was dropped, from reasons and keys or runs: the reasons in their order."""
    found: dict[str, list[str]] = {}
    for reason, text in rows:
        found.setdefault(reason, []).append(text)
    return dict(sorted(found.items()))


class Keys:
    """The keys that some keys and runs stand for, to look keys up in: runs are not written out for it."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._keys: set[str] = set()
        runs: dict[str, list[Run]] = {}
        for text in texts:
            if ".." in text:
                run = Run.of(text)
                runs.setdefault(run.video, []).append(run)
            else:
                self._keys.add(text)
        self._runs = {video: sorted(found) for video, found in runs.items()}
        self._firsts = {video: [run.frames[0] for run in found] for video, found in self._runs.items()}
        self._ends = {
            video: list(accumulate((run.frames[-1] for run in found), max)) for video, found in self._runs.items()
        }

    def __contains__(self, key: str) -> bool:
        if key in self._keys:
            return True
        video, frame = video_of(key), frame_of(key)
        if frame is None or video not in self._runs:
            return False
        # Of those that begin before the frame, the first ones may all have ended.
        begun, ended = bisect_right(self._firsts[video], frame), bisect_left(self._ends[video], frame)
        return any(frame in run.frames for run in self._runs[video][ended:begun])
