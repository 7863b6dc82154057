"""The card of a view, `README.md`: what it holds, for people who come upon its folder."""

from collections.abc import Sequence
from typing import Any

from common_fate.datasets.catalog import Video
from common_fate.manifest.samples import SAMPLES
from common_fate.manifest.shards import SHARDS
from common_fate.manifest.sums import SUMS
from common_fate.manifest.videos import VIDEOS, licence_table
from common_fate.shards.members import in_order, member
from common_fate.tables import markdown

CARD = "README.md"
ATTRIBUTIONS = (
    f"`{VIDEOS}` has the licence of each video, who is to be credited (`attribution`), its title and its page."
)


def view_card(title: str, rows: list[dict[str, Any]], extensions: list[str], videos: Sequence[Video]) -> str:
    """Returns the card's text, from the rows of shards.parquet and what is known of the videos."""
    failures = sum(row["failures"] for row in rows)
    licences = f"\n## Licences\n\n{licence_table(videos)}\n\n{ATTRIBUTIONS}\n" if videos else ""
    own = [kind for extension in in_order(extensions) if (kind := member(extension)).name == extension]
    notes = "\n".join(f"- {kind.note}" for kind in own if kind.note)
    return f"""# {markdown(title)}

{sum(row["samples"] for row in rows)} samples in {len(rows)} shards ({failures} failures, listed in
`{SAMPLES}`), {sum(row["bytes"] for row in rows)} bytes. Each sample has the members
{", ".join(f"`{extension}`" for extension in extensions) or "(none)"}.

- Check it: `sha256sum -c {SUMS}`, or `python -m pipeline verify --full` on this folder.
- `{SAMPLES}` gives each sample's shard and the offset and size of its members; `{SHARDS}` each shard's sum.
{notes}
{licences}"""
