"""Reading a finished view or column from its first sample to its last, without torch."""

from collections.abc import Iterator
from pathlib import Path

from common_fate.datasets.parts import shards_in
from common_fate.errors import UserError
from common_fate.shards.column import Members, sound_shard


def read_samples(folder: str | Path) -> Iterator[tuple[str, Members]]:
    """Yields key and members of each sample, shard by shard, in order.

    Members are had by extension, and decoded when they are asked for: `sample["jpg"]` is `(H, W, 3)` uint8, RGB,
    `sample["flow.b2"]` `(2, H, W)` float32 in pixels, a PNG `(H, W)`, a JSON a dict; see docs/data_format.md.

    Raises:
        UserError: there are no shards.
        ShardError: a shard is damaged; asking for a damaged member raises ValueError.
    """
    folder = Path(folder)
    shards = shards_in(folder)
    if not shards:
        raise UserError(f"{folder}: has no shards: name a view (results/NAME/shards/VIEW) or a column")
    for name in shards:
        with sound_shard(folder / f"{name}.tar") as shard:
            for key in shard:
                yield key, shard[key]
