"""Where videos come from: one module a kind, named in `SOURCES`."""

from pipeline.sources import adopted, folders, images, synthetic, urls, videos, yfcc100m
from pipeline.sources.source import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        videos.SOURCE,
        folders.SOURCE,
        images.SOURCE,
        synthetic.SOURCE,
        adopted.SOURCE,
        urls.SOURCE,
        yfcc100m.SOURCE,
    )
}
