"""Categories of YouTube-8M: which videos they have, from its public index, kept in a text file that a source reads.

Abu-El-Haija et al., "YouTube-8M: A Large-Scale Video Classification Benchmark", arXiv 1609.08675. The index names a
category's videos by ids of its own, of four letters, and has a file for each that leads to YouTube's, for as long as
the video is public.
"""

import html
import logging
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import islice
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from common_fate.errors import ShardError, UserError
from common_fate.progress import progress
from common_fate.remote.fetch_file import Patience
from common_fate.remote.transport import TemporaryFault, arriving
from common_fate.shards.files import write_atomic
from common_fate.shards.limits import quoted
from pipeline.sources.youtube.listing import check_known, read_list

GONE = "gone"
GONE_IN_A_ROW = 100  # after which it is the index that is at fault

_log = logging.getLogger(__name__)
_LINE = re.compile(r'mid = "([A-Za-z0-9_]+)"\t(.+) \(\d+\)')
_NOTE = re.compile(r"# ([A-Za-z0-9_-]{4}) (gone|[A-Za-z0-9_-]{11})")
_OF_CATEGORY = re.compile(rb'\s*p\("([A-Za-z0-9_]+)",\s*\[("[A-Za-z0-9_-]{4}"(?:,\s*"[A-Za-z0-9_-]{4}")*)?\]\);?\s*')
_OF_VIDEO = re.compile(rb'\s*i\("([A-Za-z0-9_-]{4})",\s*"([A-Za-z0-9_-]{11})"\);?\s*')
_MOST_OF_CATEGORY, _MOST_OF_VIDEO = 2**26, 2**12  # bytes of an answer
_SAVE_EVERY = 100  # ids


@dataclass
class Resolved:
    """What the index has told: YouTube's id of each of its own, `gone` where there is none; and categories' videos."""

    ids: dict[str, str] = field(default_factory=dict)
    categories: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # by YouTube's id


def resolve(
    categories: list[str],
    vocabulary: Path,
    per_category: int,
    to: Path,
    *,
    seed: int = 0,
    index: str,
    pause: float = 0.1,
    patience: Patience | None = None,
) -> int:
    """Writes `to`, the list of as many videos of each category as are asked for; returns how many it has.

    They are drawn by `seed` from those that are still there. What `to` says already is not asked again, so that it may
    be interrupted, and asked for more. Several entries of the vocabulary that are called the same are one category.

    Args:
        pause: seconds between two requests.

    Raises:
        UserError: no category is called so, or the index does not answer as it should.
    """
    wanted = _mids(categories, read_vocabulary(vocabulary))
    known = _read(to)
    ask = _Index(index.rstrip("/"), pause, patience or Patience())
    try:
        for name, mids in wanted.items():
            ids = sorted({one for mid in mids for one in ask.of_category(mid)})
            random.Random(f"{seed} {name}").shuffle(ids)
            _draw(name, ids, per_category, known, ask, to)
    finally:
        _write(to, known)
    return len(known.categories)


def read_vocabulary(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Reads the entries of a vocabulary, `(mid, name)`, by their names in small letters.

    Raises:
        UserError: it cannot be read, or a line is none of `mid = "..."<TAB>NAME (COUNT)`.
    """
    entries = defaultdict(list)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--vocabulary {path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line.strip())
        if match:
            name = html.unescape(match[2])
            entries[name.lower()].append((match[1], name))
        elif line.strip():
            raise UserError(f'--vocabulary {path}, line {number}: should be `mid = "..."`, a tab and `NAME (COUNT)`')
    return entries


def _mids(names: list[str], vocabulary: dict[str, list[tuple[str, str]]]) -> dict[str, list[str]]:
    for name in names:
        check_known(name, vocabulary, "categories")
    return {vocabulary[name.lower()][0][1]: [mid for mid, _ in vocabulary[name.lower()]] for name in names}


def _draw(name: str, ids: list[str], count: int, known: Resolved, ask: "_Index", to: Path) -> None:
    """Gives the category its videos: the first `count` of those that are still there."""
    found = 0
    for video in progress(islice(_there(name, ids, known, ask, to), count), count, name):
        found += 1
        if name not in known.categories[video]:
            known.categories[video].append(name)
    if found < count:
        _log.warning("%s has %d videos that are still there: %d were asked for", name, found, count)


def _there(name: str, ids: list[str], known: Resolved, ask: "_Index", to: Path) -> Iterator[str]:
    """YouTube's ids of the videos that are still there."""
    gone = 0
    for one in ids:
        if one not in known.ids:
            known.ids[one] = ask.of_video(one)
            gone = gone + 1 if known.ids[one] == GONE else 0
            if len(known.ids) % _SAVE_EVERY == 0:
                _write(to, known)
        if gone >= GONE_IN_A_ROW:
            raise UserError(
                f"{ask.address}: leads to no video, {gone} times in a row: check --index, or try another day"
            )
        if known.ids[one] != GONE:
            yield known.ids[one]


def _read(to: Path) -> Resolved:
    """What a run before has written to `to`."""
    known = Resolved()
    if not to.exists():
        return known
    for match in map(_NOTE.fullmatch, to.read_text(encoding="utf-8").splitlines()):
        if match:
            known.ids[match[1]] = match[2]
    for line, video, names in read_list(str(to), "--to"):
        if video not in known.ids.values():
            raise UserError(f"--to {to}, line {line}: was not written by this command: give another file")
        known.categories[video] = names
    return known


def _write(to: Path, known: Resolved) -> None:
    lines = ["# Videos of YouTube-8M and their categories, made by `python -m pipeline youtube8m`."]
    lines += ["\t".join([video, *sorted(names)]) for video, names in sorted(known.categories.items())]
    lines += ["# What the index has told, so that it is not asked again:"]
    lines += [f"# {one} {video}" for one, video in sorted(known.ids.items())]
    write_atomic(to, ("\n".join(lines) + "\n").encode())


class _Index:
    """The index at an address, asked one thing at a time."""

    def __init__(self, address: str, pause: float, patience: Patience) -> None:
        self.address = address
        self.pause = pause
        self.patience = patience

    def of_category(self, mid: str) -> list[str]:
        """The index's own ids of a category's videos."""
        address = f"{self.address}/v/{mid}.js"
        data = self._ask(address, _MOST_OF_CATEGORY)
        if data is None:
            raise UserError(f"{address}: there is no such category: check --index and --vocabulary")
        match = _OF_CATEGORY.fullmatch(data)
        if not match or match[1].decode() != mid:
            raise UserError(f'{address}: answers {quoted(data[:80])}, and should answer p("{mid}",["...",...])')
        return [one.decode() for one in re.findall(rb'"([^"]{4})"', match[2] or b"")]

    def of_video(self, one: str) -> str:
        """YouTube's id of a video, or `GONE`."""
        address = f"{self.address}/i/{one[:2]}/{one}.js"
        data = self._ask(address, _MOST_OF_VIDEO)
        if data is None:
            return GONE
        match = _OF_VIDEO.fullmatch(data)
        if not match or match[1].decode() != one:
            raise UserError(f'{address}: answers {quoted(data[:80])}, and should answer i("{one}","...")')
        return match[2].decode()

    def _ask(self, address: str, most: int) -> bytes | None:
        """An answer of at most so many bytes, or None where there is none of that name."""
        time.sleep(self.pause)
        retrying = Retrying(
            retry=retry_if_exception_type(TemporaryFault),
            stop=stop_after_attempt(self.patience.attempts),
            wait=wait_exponential_jitter(
                multiplier=self.patience.pause, max=self.patience.longest, jitter=self.patience.pause
            ),
            before_sleep=lambda state: _log.warning("%s: trying again in %.0f s", address, state.upcoming_sleep),
            reraise=True,
        )
        try:
            data = retrying(self._answer, address, most)
        except TemporaryFault as fault:
            raise UserError(f"{address}: {fault}, {self.patience.attempts} times in a row: run again later") from fault
        except ShardError:
            return None
        except UserError as error:
            # A store that lets nobody list it answers so of what it does not have.
            if getattr(error.__cause__, "status", None) == HTTPStatus.FORBIDDEN:
                return None
            raise
        if len(data) > most:
            raise UserError(f"{address}: answers more than {most} bytes: check --index")
        return data

    def _answer(self, address: str, most: int) -> bytes:
        data = bytearray()
        with arriving(address, 0, self.patience.silence) as source:
            while len(data) <= most and (part := source.read(most + 1 - len(data))):
                data += part
            total = source.version.total
            if total is not None and len(data) < min(total, most):
                raise TemporaryFault("the answer was cut off")
        return bytes(data)
