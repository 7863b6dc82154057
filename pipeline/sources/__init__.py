"""Where videos come from: one module a kind, named in `SOURCES`."""

from pipeline.sources import (
    adopted,
    benchmarks,
    faces,
    folders,
    images,
    synthetic,
    urls,
    videos,
    yfcc100m,
    youtube,
)
from pipeline.sources.source import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        *(videos.SOURCE, folders.SOURCE, images.SOURCE),
        *(urls.SOURCE, youtube.SOURCE, yfcc100m.SOURCE),
        *benchmarks.SOURCES,
        *faces.SOURCES,
        *(synthetic.SOURCE, adopted.SOURCE),
    )
}
