"""The store: videos by their content, which several datasets, jobs and users share.

    sha256/ab/ab12...     a video, under the sha256 of its bytes
    known/ab/ab34....json which video an address led to
    arriving/ab/ab34...   what has come of one so far; held by the one job that fetches it
    claims/ab/ab12.../    who needs a video, a file each

Files take the mode that the umask gives, and nothing depends on who owns them.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from common_fate.foreign.files import parse_json, read_file
from common_fate.shards.files import advice, held, make_folder, sync, sync_folder, write_atomic
from common_fate.shards.record import file_sha256, is_sha256, text_digest

_MOST_JSON = 2**16


@dataclass(frozen=True)
class Stored:
    """A video in the store."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Store:
    """A folder of videos by content. It may be deleted when no download and no frames job runs."""

    folder: Path

    def path(self, sha256: str) -> Path:
        """Returns the path of a video of this content, whether it is there or not."""
        return self.folder / "sha256" / sha256[:2] / sha256

    def has(self, stored: Stored) -> bool:
        """Returns whether a video is there, by its size."""
        try:
            return self.path(stored.sha256).stat().st_size == stored.bytes
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise _unusable(self.path(stored.sha256), error) from error

    def claimed(self, video: Video, claimant: str) -> Stored | None:
        """Returns the copy of a video, kept for the claimant from now on; None where there is none."""
        if (stored := self._known(video)) is None:
            return None
        with self._alone(self._claims(stored.sha256)):
            if not self.has(stored):
                return None
            self._claim(stored.sha256, claimant)
        return stored

    @contextmanager
    def arriving(self, video: Video) -> Iterator[Path]:
        """Yields the path to write a video to while it is fetched, to one process at a time.

        The file holds what an earlier try fetched of it, if anything.
        """
        name = _digest(video)
        path = self.folder / "arriving" / name[:2] / name
        with self._alone(path):
            if path.exists() and not os.access(path, os.W_OK):
                path.unlink()  # another user's, who lets nobody write it
            yield path

    def keep(self, video: Video, arrived: Path, claimant: str) -> Stored:
        """Moves a video that has arrived to its place, where it is kept for the claimant."""
        stored = Stored(file_sha256(arrived), arrived.stat().st_size)
        path = self.path(stored.sha256)
        with self._alone(self._claims(stored.sha256)):
            with arrived.open("rb") as file:
                os.fsync(file.fileno())
            make_folder(path.parent)
            self._claim(stored.sha256, claimant)
            os.replace(arrived, path)
            sync_folder(path.parent)
        write_atomic(self._index(video), json.dumps(asdict(stored)).encode())
        return stored

    def release(self, stored: Stored, claimant: str) -> None:
        """Deletes a video that nobody but the claimant needs any more."""
        claims = self._claims(stored.sha256)
        with self._alone(claims):
            (claims / text_digest(claimant)).unlink(missing_ok=True)
            with suppress(OSError):
                claims.rmdir()  # which is refused while others claim it
            if not claims.exists():
                self.path(stored.sha256).unlink(missing_ok=True)

    def _known(self, video: Video) -> Stored | None:
        """What a video's address led to, by what is noted."""
        try:
            stored = Stored(**parse_json(read_file(self._index(video), _MOST_JSON)))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self._index(video), error) from error
        except (ValueError, TypeError):
            return None  # it is fetched again, and noted again
        return stored if is_sha256(stored.sha256) and type(stored.bytes) is int else None

    def _index(self, video: Video) -> Path:
        name = _digest(video)
        return self.folder / "known" / name[:2] / f"{name}.json"

    def _claims(self, sha256: str) -> Path:
        return self.folder / "claims" / sha256[:2] / sha256

    def _claim(self, sha256: str, claimant: str) -> None:
        path = self._claims(sha256) / text_digest(claimant)
        make_folder(path.parent)
        if not path.exists():
            with path.open("wb") as file:
                file.write(claimant.encode())
                sync(file)
            sync_folder(path.parent)  # or, after a power cut, another job would delete the video

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        """Lets one process at a time do something about a path. Raises `UserError` where the store fails."""
        try:
            make_folder(path.parent)
            with held(path):
                yield
        except OSError as error:
            raise _unusable(path, error) from error


def claimant_of(dataset: Path, shard: str) -> str:
    """Returns the name of the job that claims a shard's videos: the same however the dataset's folder is named."""
    return f"{os.path.realpath(dataset)} {shard}"


def _digest(video: Video) -> str:
    """Of all that fetching takes: two videos with the same have the same bytes."""
    return text_digest(f"{video.kind} {video.uri}")


def _unusable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: the store of downloads cannot be used: {advice(error)} (download.store names it)")
