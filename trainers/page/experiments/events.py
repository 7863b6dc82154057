"""What a training has written of itself up to now: TensorBoard's event files, read on from where they were left.

An event is a record: its length in 8 bytes, 4 bytes of checksum, the event, 4 bytes of checksum. The last one may be
half written: it is read once it is whole.
"""

import struct
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event

from common_fate.errors import UserError
from common_fate.foreign.files import open_file
from trainers.evaluations.result import MAX_TEXT
from trainers.page.experiments.series import Column
from trainers.page.links import stays_inside
from trainers.report.experiment_files import MAX_COLUMNS
from trainers.report.figures import drawable

EVENTS = "events.out.tfevents.*"
MOST_RECORD = 2**20  # bytes of one event
MOST_READ = 2**26  # bytes of a file at a time
MOST_POINTS = 2**20  # of a run
PAUSE = 0.005  # seconds between two events that were not written at once
RECENT = 200  # iterations over which speed is measured


@dataclass
class RunEvents:
    """The curves in the event files of a run's folder, of all its restarts together.

    Args:
        folder: `runs/DIGEST`.
        columns: by name, as in `curves.csv`.
        generation: changes when points were taken back: a restart measures anew what came after its checkpoint.
        points: how many were read, the serial number of the next.
    """

    folder: Path
    columns: dict[str, Column] = field(default_factory=dict)
    generation: int = 0
    points: int = 0
    _read: dict[str, int] = field(default_factory=dict)
    _bursts: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=RECENT))
    _last: float = 0.0

    def update(self) -> None:
        """Reads what has been written since.

        Raises:
            UserError: a file is damaged, or more than is drawn.
        """
        root = self.folder.resolve()
        paths = sorted(path for path in self.folder.glob(EVENTS) if stays_inside(path, root))
        try:
            sizes = {path.name: path.stat().st_size for path in paths}
        except FileNotFoundError:  # the folder is just being removed
            return
        if any(sizes.get(name, 0) < read for name, read in self._read.items()):
            self._forget()
        for path in paths:
            if path.name not in self._read:
                self._bursts.clear()  # between two starts no time was spent on iterations
            try:
                with open_file(path) as file:
                    self._read_on(path.name, file)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, DecodeError) as error:
                raise UserError(f"{self.folder.name}/{path.name}: cannot be read ({error})") from error

    @property
    def iteration(self) -> int:
        """The last iteration of which something is known; 0: none."""
        return max((column.iterations[-1] for column in self.columns.values() if column.iterations), default=0)

    @property
    def seconds(self) -> float | None:
        """Seconds that an iteration took lately; None where that is not known yet."""
        if len(self._bursts) < 2:
            return None
        ended, last = self._bursts[-1]
        began, first = next((at, step) for at, step in self._bursts if step >= last - RECENT or step > last)
        return (ended - began) / (last - first) if last > first and ended > began else None

    def _forget(self) -> None:
        """A file is gone, or shorter than what was read of it: the run was begun anew."""
        self.columns, self._read = {}, {}
        self._bursts.clear()
        self.generation += 1

    def _read_on(self, name: str, file: BinaryIO) -> None:
        start = self._read.get(name, 0)
        file.seek(start)
        data = file.read(MOST_READ)
        self._read[name] = start
        for record, end in _records(data):
            event = Event.FromString(record)  # where it is damaged, the file is read no further
            self._read[name] = start + end
            self._add(event)

    def _add(self, event: Event) -> None:
        for value in event.summary.value:
            if value.WhichOneof("value") != "simple_value" or len(value.tag) > MAX_TEXT:
                continue
            if value.tag not in self.columns and len(self.columns) >= MAX_COLUMNS:
                raise ValueError(f"more than {MAX_COLUMNS} columns")
            if self.points >= MOST_POINTS:
                raise ValueError(f"more than {MOST_POINTS:,} points")
            if (shown := drawable(value.simple_value)) is None:
                continue
            column = self.columns.setdefault(value.tag, Column(array("q"), array("d"), array("q")))
            self.generation += column.add(event.step, shown, self.points)
            self.points += 1
            self._clock(event.wall_time, event.step)

    def _clock(self, at: float, step: int) -> None:
        """Losses are read every few iterations and written at once: the time between two such bursts is theirs."""
        if self._bursts and at - self._last < PAUSE:
            self._bursts[-1] = self._bursts[-1][0], max(step, self._bursts[-1][1])
        else:
            self._bursts.append((at, step))
        self._last = at


def _records(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The whole events in some bytes, and where each ends."""
    place = 0
    while place + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        if length > MOST_RECORD:
            raise ValueError("it is damaged: an event has no end")
        end = place + 16 + length
        if end > len(data):
            return
        yield data[place + 12 : end - 4], end
        place = end
