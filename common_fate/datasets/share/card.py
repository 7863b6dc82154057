"""The card of a shared folder: README.md, for people and for the Hugging Face Hub."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from common_fate.datasets.catalog import Video
from common_fate.datasets.share.description import CATALOG, Shared
from common_fate.datasets.share.recipe import RECIPE
from common_fate.manifest.card import ATTRIBUTIONS
from common_fate.manifest.croissant import Publication
from common_fate.manifest.samples import SAMPLES
from common_fate.manifest.shards import SHARDS
from common_fate.manifest.sums import SUMS
from common_fate.manifest.videos import licence_table
from common_fate.shards.members import described
from common_fate.shards.record import Record
from common_fate.tables import Markdown, Table, markdown, markdown_code, markdown_table

_PIXELS = f"""The frames themselves are not in here: `{RECIPE}` says which they are, and has fingerprints of each.
Whoever has the videos adopts this with `python -m pipeline adopt DIR --dataset NAME --videos 'VIDEOS/*.mp4'`."""

_SNIPPET = '''import glob
import io
import json

import blosc2
import numpy as np
import webdataset as wds


def decode_flow(data):
    """(2, H, W) float32, pixels: u to the right, v down."""
    height, width = np.frombuffer(data, "<u4", count=2, offset=4)
    code = np.frombuffer(blosc2.decompress2(data[12:]), "<u2").reshape(2, height, width)
    difference = (code >> 1).astype(np.int16) ^ -(code & 1).astype(np.int16)
    return difference.cumsum(axis=2, dtype=np.int16).cumsum(axis=1, dtype=np.int16).astype(np.float32) / 64


decoders = {
    "b2": decode_flow,
    "npy": lambda data: np.load(io.BytesIO(data), allow_pickle=False),
    "json": json.loads,
}
for sample in wds.WebDataset(sorted(glob.glob("FILES")), shardshuffle=False):
    for name, data in sample.items():
        decode = decoders.get(name.rpartition(".")[2])
        if decode:
            sample[name] = decode(data)  # jpg and png stay bytes, for the image library of your choice
    print(sample["__key__"], sorted(name for name in sample if not name.startswith("_")))
'''


def card(
    shared: Shared,
    folders: Mapping[str, Sequence[Record]],
    videos: Sequence[Video],
    numbers: Sequence[Table],
    pictures: Sequence[str],
    publication: Publication,
) -> str:
    """Returns the card's text.

    Args:
        folders: the records of each folder of shards, by its path in the shared folder (`.` for the folder itself).
        numbers: tables of `common_fate.datasets.stats`.
        pictures: the names of the contact sheets.
    """
    sections = {
        "": _introduction(shared, folders, pictures),
        "Licences": _licences(shared, videos, publication),
        "What is in it": _contents(folders),
        "Read it": _reading(folders),
        "How it was made": _making(shared, folders),
        "In numbers": _numbers(numbers),
        "Cite it": f"```\n{publication.cite}\n```" if publication.cite else "",
        "Check it": f"`sha256sum -c {SUMS}`, or `common-fate verify --full` on this folder.",
    }
    texts = [f"## {title}\n\n{text}" if title else text for title, text in sections.items() if text]
    return "\n\n".join([_front(shared, folders), *texts]) + "\n"


def _introduction(shared: Shared, folders: Mapping[str, Sequence[Record]], pictures: Sequence[str]) -> str:
    records = [record for part in folders.values() for record in part]
    samples, size = sum(record.samples for record in records), sum(record.bytes for record in records)
    counted = [
        f"{count:,} {what}{'s' * (count != 1)}" for count, what in ((samples, "sample"), (len(records), "shard"))
    ]
    counts = f"{' in '.join(counted)}, {size:,} bytes, made with Common Fate."
    shown = [f"![Some of the samples]({name})" for name in pictures]
    return "\n\n".join(filter(None, [f"# {markdown(shared.title)}", counts, _PIXELS if shared.frames else "", *shown]))


def _front(shared: Shared, folders: Mapping[str, Any]) -> str:
    """What the Hugging Face Hub and `datasets` read."""
    configs = "".join(
        f"- config_name: {'default' if folder == '.' else folder}\n  data_files: {json.dumps(_files(folder))}\n"
        for folder in folders
    )
    return f"---\npretty_name: {json.dumps(shared.title)}\ntags: [webdataset]\nconfigs:\n{configs}---"


def _files(folder: str) -> str:
    return "*.tar" if folder == "." else f"{folder}/*.tar"


def _licences(shared: Shared, videos: Sequence[Video], publication: Publication) -> str:
    whole = (
        f"These shards as a whole: {', '.join(map(markdown, publication.licenses))}.\n\n"
        if publication.licenses
        else ""
    )
    return f"{whole}{licence_table(videos)}\n\n{_attributions(shared)}"


def _attributions(shared: Shared) -> str:
    where = f" It lies beside the shards, and is the same for {' and '.join(shared.parts)}." if shared.frames else ""
    return f"{ATTRIBUTIONS}{where} `{CATALOG}` has all that is known of each video."


def _contents(folders: Mapping[str, Sequence[Record]]) -> str:
    extensions = {
        folder: next((record.extensions for record in records if record.samples), [])
        for folder, records in folders.items()
    }
    rows = [
        [Markdown(f"`{folder}/`") if folder != "." else "", Markdown(f"`.{name}`"), described(name)]
        for folder, names in extensions.items()
        for name in names
    ]
    titles = ["folder", "member", ""] if list(folders) != ["."] else ["member", ""]
    return f"""{markdown_table(titles, [row[-len(titles) :] for row in rows])}

Samples are named `{{video}}-{{frame}}`, everywhere the same. `NNNNNN.json` beside `NNNNNN.tar` says how the shard
was made and what failed. `{SAMPLES}` has a row for each sample, with the offset and size of its members in the tar;
`{SHARDS}` has one for each shard."""


def _reading(folders: Mapping[str, Any]) -> str:
    files = _files(next(iter(folders)))
    return f"""In this folder, with webdataset and blosc2 alone:

```python
{_SNIPPET.replace("FILES", files)}```

With Hugging Face: `load_dataset("webdataset", data_files="{files}", streaming=True)`. With Common Fate:
`common_fate.torch.ShardDataset(folder)`."""


def _making(shared: Shared, folders: Mapping[str, Sequence[Record]]) -> str:
    options: dict[str, Any] = {"frames": shared.frames["options"]} if shared.frames else {}
    software: dict[str, str] = dict(shared.frames.get("software", {}))
    alike = True
    for part, records in zip(shared.parts, folders.values(), strict=True):
        if not records:
            continue
        first = records[0]
        options |= first.options if first.joined else {part: first.options}  # a view's are those of its columns
        software |= first.software
        alike &= all(record.options == first.options for record in records)
    lines = [f"- {markdown(name)}: {markdown_code(json.dumps(values))}" for name, values in options.items()]
    versions = ", ".join(markdown(f"{name} {version}") for name, version in sorted(software.items()))
    lines += [f"- versions of what shapes the bytes: {versions}"] * bool(versions)
    lines += ["- shards differ in their options: see each one's record"] * (not alike)
    return "\n".join(lines)


def _numbers(tables: Sequence[Table]) -> str:
    return "\n\n".join(
        "\n\n".join(filter(None, [markdown_table(table.columns, table.rows), table.note])) for table in tables
    )
