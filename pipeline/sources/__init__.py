"""Where videos come from: one module a kind, named in `SOURCES`."""

from pipeline.sources import adopted, benchmarks, folders, images, synthetic, videos, youtube
from pipeline.sources.source import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        *(videos.SOURCE, folders.SOURCE, images.SOURCE, youtube.SOURCE),
        *benchmarks.SOURCES,
        *(synthetic.SOURCE, adopted.SOURCE),
    )
}
