"""Tables with wrong bytes in them: refused, or read; no byte ends the process."""

import io
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common_fate.datasets.catalog import Video, read_catalog, write_catalog
from common_fate.datasets.share.recipe import RECIPE, SCHEMA, read_recipe
from common_fate.errors import UserError
from common_fate.foreign.parquet import ParquetFile
from common_fate.manifest.samples import read_samples
from common_fate.manifest.shards import read_shards
from common_fate.manifest.videos import read_videos, videos_file
from tests.support.hostile.view import make_view
from tests.support.survival import deaths

IDS = [f"v{number:03d}" for number in range(40)]


def catalog(folder: Path) -> Path:
    path = folder / "catalog.parquet"
    write_catalog(path, [Video(name, "videos", f"/data/{name}.mp4", "CC0", 100) for name in IDS])
    return path


def videos(folder: Path) -> Path:
    path = folder / "videos.parquet"
    path.write_bytes(videos_file([Video(name, "videos", "", "CC0", about='{"title": "A"}') for name in IDS]))
    return path


def recipe(folder: Path) -> Path:
    facts = {"frame": 1, "shard": "000000", "width": 9, "height": 9, "next": None, "previous": 0}
    sums = {"jpg_sha256": "a" * 64, "pixels_sha256": "b" * 64, "perceptual": 2**63 + 1}
    rows = [{"key": f"{name}-000001", "video": name} | facts | sums for name in IDS]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / RECIPE, compression="zstd")
    return folder / RECIPE


def both_ways(path: Path) -> None:
    """All of a catalog, and some of its videos, which goes by what row groups say of themselves."""
    with suppress(UserError):
        read_catalog(path)
    read_catalog(path, ["v003", "v005"])


TABLES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "catalog": (catalog, both_ways),
    "videos": (videos, lambda path: read_videos(path.parent)),
    "recipe": (recipe, lambda path: read_recipe(path.parent, ["000000"])),
    "samples": (lambda folder: make_view(folder) / "samples.parquet", lambda path: read_samples(path.parent)),
    "shards": (lambda folder: make_view(folder) / "shards.parquet", lambda path: read_shards(path.parent)),
}


def changed_bytes(data: bytes, start: int, end: int, masks: tuple[int, ...]) -> Iterator[bytes]:
    for place in range(start, end):
        for mask in masks:
            yield data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


def edited(data: bytes, seed: int, footer: int) -> bytes:
    """Some changes of other lengths, most of them in the footer."""
    rng = random.Random(seed)
    new = bytearray(data)
    for _ in range(rng.randint(2, 6)):
        at, count = rng.randrange(footer if rng.random() < 0.8 else 4, len(new) - 8), rng.randint(1, 8)
        source = rng.randrange(footer, len(data) - 8)
        new[at : at + rng.choice((count, 0))] = rng.choice((rng.randbytes(count), data[source : source + count]))
    length = len(new) - 8 - footer
    return bytes(new[:-8]) + length.to_bytes(4, "little") + b"PAR1" if rng.random() < 0.5 else bytes(new)


def footer_of(data: bytes) -> int:
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def read_changed(name: str, path: Path) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(UserError):
            TABLES[name][1](path)

    return read


def test_some_videos_are_looked_for_where_they_may_be(tmp_path: Path):
    path = tmp_path / "table.parquet"
    names = [f"v{number:03d}" for number in range(100)]
    pq.write_table(pa.table({"name": names, "at": list(range(100))}), path, row_group_size=10)
    data = bytearray(path.read_bytes())
    for group in (0, 2, 3, 4, 5, 6, 7, 8, 9):  # all that need not be read is spoilt
        end = pq.ParquetFile(path).metadata.row_group(group).column(0).data_page_offset
        data[end - 20 : end] = bytes(20)  # of the dictionary
    table = ParquetFile(io.BytesIO(bytes(data)), 100)
    kinds = {"name": pa.string(), "at": pa.int64()}
    found = table.read(kinds, among=("name", ["v012", "v015"]))
    assert found.to_pylist() == [{"name": "v012", "at": 12}, {"name": "v015", "at": 15}]
    with pytest.raises(ValueError, match=r"^Corrupt"):
        table.read(kinds)


def test_a_column_becomes_what_its_type_allows(tmp_path: Path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"x": pa.array([0.5, None], pa.float32()), "n": [1, 2], "name": ["a", "b"]}), path)
    with path.open("rb") as file:
        table = ParquetFile(file, 100)
        found = table.read({"x": pa.float64(), "n": pa.uint64()})
        assert found.schema.types == [pa.float64(), pa.uint64()]
        assert found["x"].to_pylist() == [0.5, None]
        for name, kind, what in (
            ("x", pa.int64(), "whole numbers"),
            ("n", pa.float64(), "real numbers"),
            ("x", pa.string(), "text"),
        ):
            with pytest.raises(ValueError, match=rf"its column '{name}' is of '\w+' and not of {what}$"):
                table.check({name: kind})


def test_no_bit_of_a_catalogs_schema_ends_the_process(tmp_path: Path):
    """As some did, through PyArrow's own view of what row groups say of themselves."""
    path = catalog(tmp_path)
    data = path.read_bytes()
    cases = list(changed_bytes(data, footer_of(data), footer_of(data) + 160, (1,)))
    assert deaths(cases, read_changed("catalog", path)) == []


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_no_byte_of_a_table_ends_the_process(tmp_path: Path, name: str):
    path = TABLES[name][0](tmp_path)
    data = path.read_bytes()
    footer = footer_of(data)
    cases = [
        *changed_bytes(data, footer, len(data), (1, 8, 128, 255)),
        *changed_bytes(data, 4, min(footer, 1024), (1, 128, 255)),
        *(edited(data, seed, footer) for seed in range(2500)),
    ]
    assert deaths(cases, read_changed(name, path)) == []
