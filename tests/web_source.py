"""A source of tests alone: videos at a list of addresses, `{kind: web, addresses: [...]}`."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from pipeline.downloads.downloading import Downloading
from pipeline.errors import SampleError
from pipeline.sources.source import Source, Video


@dataclass(frozen=True)
class WebOptions:
    addresses: list[str]


def at(address: str) -> Video:
    return Video(PurePosixPath(address).stem, "web", json.dumps({"address": address}))


def fetch(video: Video, downloading: Downloading, to: Path) -> None:
    from pipeline.downloads.http import fetch_address

    fetch_address(json.loads(video.uri)["address"], downloading, to)


def away(*_: Any) -> Any:
    raise SampleError("no copy of this video is here")


SOURCE = Source(
    name="web",
    options=WebOptions,
    videos=lambda options, where: [at(address) for address in sorted(options.addresses)],
    numbers=away,
    read=away,
    truth=None,
    select={"every": 5},
    fetch=fetch,
)


def register() -> None:
    """Makes `web` a kind of source, in this process, that config.yaml may name."""
    from pipeline import config
    from pipeline.sources import SOURCES

    schema = yaml.safe_load(config.SCHEMA.read_text())
    schema["$defs"]["source"]["properties"]["kind"]["enum"].append("web")
    SOURCES["web"] = SOURCE
    config._validator = lambda: Draft202012Validator(schema)
