"""Reading views, whole or some of their videos, by the manifest's offsets or from afar; see `sample` for one sample."""

from trainers.data.dataset import ShardDataset
from trainers.data.loader import EpochLoader
from trainers.data.sample import Sample, Transform
from trainers.data.sampler import EpochSampler
from trainers.data.stream import stream
from trainers.data.views import Views, open_views

__all__ = ["EpochLoader", "EpochSampler", "Sample", "ShardDataset", "Transform", "Views", "open_views", "stream"]
