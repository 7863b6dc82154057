"""Small files that stand for much: what they make commands take is bounded, and of no account beside what they hold."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from common_fate.datasets.share.share import share
from common_fate.manifest.croissant import Publication
from common_fate.shards.record import file_sha256
from tests.support.hostile.tables import same_table
from tests.support.made_dataset import make_dataset

pytestmark = [pytest.mark.faults, pytest.mark.slow]

RUN = Path(__file__).resolve().parents[2] / "support" / "within_memory.py"
POOL = {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # mimalloc sets a gibibyte of addresses aside, which are no memory
SPARE = 1024  # MiB of addresses; each test says what may be taken of it
ROWS = 1_500_000


def run(spare: int, *words: object, where: Path | None = None) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, RUN, str(spare), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=where,
        env=os.environ | {"PYTHONPATH": str(RUN.parents[2]), "OMP_NUM_THREADS": "1"} | POOL,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["ended"] != "crashed", found["said"]
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("memory") / "results/small")


def put_sums_right(folder: Path) -> None:
    names = [line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    (folder / "SHA256SUMS").write_text("".join(f"{file_sha256(folder / name)}  {name}\n" for name in names))


def lengthened(path: Path, rows: int, **texts: pa.Array) -> None:
    """Adds rows to a table, which are those of its first, but for some columns."""
    table = pq.read_table(path)
    more = same_table(table, rows)
    for name, values in texts.items():
        more = more.set_column(more.column_names.index(name), name, values)
    pq.write_table(pa.concat_tables([table, more.cast(table.schema)]), path, compression="zstd", compression_level=19)
    assert path.stat().st_size < 4 * rows


def named(before: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(before, pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 6, "0"), "")


def test_a_recipe_of_many_frames_of_other_shards(made: Path, tmp_path: Path):
    share([made / "flow", made / "guidance"], tmp_path / "shared", False, Publication())
    whole = run(SPARE, "verify", "--full", tmp_path / "shared")
    keys = named("z-", np.arange(999_999))
    frames, more = pa.array(range(999_999)), {"video": pa.repeat("z", 999_999), "shard": pa.repeat("000009", 999_999)}
    lengthened(tmp_path / "shared/recipe.parquet", 999_999, key=keys, frame=frames, **more)
    put_sums_right(tmp_path / "shared")
    found = run(SPARE, "verify", "--full", tmp_path / "shared")
    assert (whole["ended"], found["ended"]) == ("read", "read"), found["said"]
    assert found["taken"] - whole["taken"] < 200


@pytest.mark.parametrize("words", [("verify", "--full"), ("adopt", "--dataset", "x")])
def test_a_catalog_of_many_videos(made: Path, tmp_path: Path, words: tuple[str, ...]):
    share([made / "shards/cmp"], tmp_path / "shared", False, Publication())
    lengthened(tmp_path / "shared/catalog.parquet", ROWS, video=named("v", np.random.default_rng(0).permutation(ROWS)))
    put_sums_right(tmp_path / "shared")
    found = run(SPARE, words[0], tmp_path / "shared", *words[1:], where=tmp_path)
    assert found["ended"] == "refused"
    assert "says other than catalog.parquet of 'v" in found["said"], found["said"]
    assert found["taken"] < 500


def test_a_table_of_addresses_that_unpacks_to_a_thousand_times_its_size(tmp_path: Path):
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wb", compresslevel=6) as file:
        file.write(b"url,title\n")
        for first in range(0, 300_000, 1000):
            file.write(b"".join(b"http://a/%d,%s\n" % (n, b"x" * 900) for n in range(first, first + 1000)))
    source = json.dumps({"kind": "urls", "path": str(path)})
    found = run(SPARE, "catalog", tmp_path / "results/x", "--source", source)
    assert found["ended"] == "refused"
    assert f"far more rows or text than a table of {path.stat().st_size} bytes has" in found["said"]
    assert found["taken"] < 500
