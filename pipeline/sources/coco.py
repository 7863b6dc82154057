"""What COCO's annotations say of whose an image is: read as a stream, since they have hundreds of megabytes."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from common_fate.errors import printable

_CHUNK = 2**20  # characters read at once
_MOST = 2**24  # characters of one value
_MOST_TEXT = 1000


@dataclass(frozen=True)
class Facts:
    """An image's licence, and what else goes with it: a JSON object."""

    license: str | None = None
    about: str | None = None


NO_FACTS = Facts()


def image_facts(file: BinaryIO) -> dict[str, Facts]:
    """Returns the facts of each image by the name of its file, from `licenses` and `images`.

    The annotations are passed over.

    Raises:
        ValueError: it is no such file.
    """
    licenses: dict[str, str] = {}
    images: list[tuple[str, str, str | None]] = []
    seen: set[str] = set()
    for name, value in _elements(file):
        if name == "licenses" and isinstance(value, dict):
            licenses[str(value.get("id"))] = _text(value.get("url") or value.get("name")) or ""
        elif name == "images" and isinstance(value, dict) and isinstance(value.get("file_name"), str):
            images.append((value["file_name"], str(value.get("license")), _text(value.get("flickr_url"))))
        elif {"licenses", "images"} <= seen:
            break
        seen.add(name)
    if not images:
        raise ValueError("it lists no images")
    return {
        name: Facts(licenses.get(license) or None, None if page is None else json.dumps({"page": page}))
        for name, license, page in images
    }


def _text(value: Any) -> str | None:
    return printable(value[:_MOST_TEXT]) if isinstance(value, str) and value else None


def _elements(file: BinaryIO) -> Iterator[tuple[str, Any]]:
    """The elements of each list in a JSON object, with the list's name; a value that is no list comes as it is."""
    text = _Text(io.TextIOWrapper(file, encoding="utf-8"))
    text.expect("{")
    while True:
        if not isinstance(name := text.value(), str):
            raise ValueError("no JSON object: a name in it is no text")
        text.expect(":")
        if text.next_is("["):
            while not text.next_is("]"):
                yield name, text.value()
                text.next_is(",")
        else:
            yield name, text.value()
        if not text.next_is(","):
            text.expect("}")
            return


class _Text:
    """Text of which a part is held, and the JSON values in it, one after the other."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file, self._held, self._at = file, "", 0
        self._decoder = json.JSONDecoder()

    def value(self) -> Any:
        """The next value. Raises ValueError where there is none, or it is very long."""
        self._skip()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
                if end < len(self._held) or not self._more():  # a number may go on
                    self._at = end
                    return value
            except RecursionError:
                raise ValueError("JSON nested too deeply") from None
            except json.JSONDecodeError:
                if len(self._held) - self._at > _MOST or not self._more():
                    raise

    def next_is(self, mark: str) -> bool:
        """Whether this comes next; then it is passed over."""
        self._skip()
        if not self._held.startswith(mark, self._at):
            return False
        self._at += 1
        return True

    def expect(self, mark: str) -> None:
        """Passes over what has to come next."""
        if not self.next_is(mark):
            raise ValueError(f"no JSON object: {mark} is missing")

    def _skip(self) -> None:
        while True:
            while self._at < len(self._held) and self._held[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._held) or not self._more():
                return

    def _more(self) -> bool:
        more = self._file.read(_CHUNK)
        self._held, self._at = self._held[self._at :] + more, 0
        return bool(more)
