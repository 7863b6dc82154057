"""Descriptions of shards in Croissant 1.0 (mlcommons.org/croissant): their files with their sums, and their tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from common_fate.manifest.videos import VIDEOS

_VIDEO_COLUMNS = dict.fromkeys(("video", "license", "attribution", "title", "page"), "sc:Text")

CROISSANT = "croissant.json"
SOFTWARE = "Common Fate"
VERSION = "1.0.0"
KINDS = {".tar": "application/x-tar", ".parquet": "application/x-parquet"}
"""The files that are described, by their ending."""


@dataclass(frozen=True)
class Publication:
    """What only those can say who publish; what is not known is left out."""

    licenses: tuple[str, ...] = ()
    cite: str | None = None
    url: str | None = None
    published: str | None = None  # a date, YYYY-MM-DD


def croissant(
    name: str,
    description: str,
    sums: Mapping[str, str],
    tables: Mapping[str, Iterable[str]],
    publication: Publication,
) -> dict[str, Any]:
    """A folder in Croissant.

    Args:
        sums: the sha256 of each file, by its path in the folder.
        tables: for each table of samples, by its path, the extensions of its samples.
    """
    known = {
        "license": list(publication.licenses),
        "url": publication.url,
        "datePublished": publication.published,
        "citeAs": publication.cite or f"@misc{{{_label(name)}, title = {{{name}}}, note = {{Made with {SOFTWARE}}}}}",
    }
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": description,
        "version": VERSION,
        **{name: value for name, value in known.items() if value},
        "distribution": [_file(name, sums[name]) for name in sorted(sums) if _ending(name) in KINDS],
        "recordSet": [
            *(_records(path, _columns(extensions)) for path, extensions in tables.items()),
            *(_records(path, _VIDEO_COLUMNS) for path in map(_videos_beside, tables) if path in sums),
        ],
    }


def _ending(name: str) -> str:
    return name[name.rfind(".") :]


def _label(name: str) -> str:
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name).split())


def _file(name: str, sha256: str) -> dict[str, str]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": KINDS[_ending(name)],
        "sha256": sha256,
    }


def _columns(extensions: Iterable[str]) -> dict[str, str]:
    """The columns of a table of samples, with their types."""
    columns = {"key": "sc:Text", "video": "sc:Text", "frame": "sc:Integer", "shard": "sc:Text", "failure": "sc:Text"}
    columns |= {"license": "sc:Text"}
    return columns | {f"{extension}.{what}": "sc:Integer" for extension in extensions for what in ("offset", "size")}


def _videos_beside(samples: str) -> str:
    return str(PurePosixPath(samples).with_name(VIDEOS))


def _records(path: str, columns: Mapping[str, str]) -> dict[str, Any]:
    """A table: `samples` beside the file, `flow/samples` of `flow/samples.parquet`."""
    name = path.removesuffix(".parquet")
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": f"{name}/{column}",
            "description": column,
            "dataType": kind,
            "source": {"fileObject": {"@id": path}, "extract": {"column": column}},
        }
        for column, kind in columns.items()
    ]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""Croissant's own, whole: its validator wants nothing less."""
