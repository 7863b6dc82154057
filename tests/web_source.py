"""A source of tests alone: videos at a list of addresses, `{kind: web, addresses: [...]}`."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from pipeline import config
from pipeline.downloads.downloading import Downloading
from pipeline.errors import SampleError
from pipeline.sources import SOURCES
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


def validator() -> Draft202012Validator:
    """Of a config.yaml that may name `web` as a kind of source."""
    schema = yaml.safe_load(config.SCHEMA.read_text())
    schema["$defs"]["source"]["properties"]["kind"]["enum"].append("web")
    return Draft202012Validator(schema)


def register() -> None:
    """Makes `web` a kind of source in this process."""
    SOURCES["web"] = SOURCE
    config._validator = validator
