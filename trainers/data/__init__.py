"""Reading a view: `ShardDataset` by the manifest's offsets, `stream` from afar; one sample format (see `sample`)."""

from trainers.data.dataset import ShardDataset
from trainers.data.loader import EpochLoader
from trainers.data.sample import Sample, Transform
from trainers.data.sampler import EpochSampler
from trainers.data.stream import stream

__all__ = ["EpochLoader", "EpochSampler", "Sample", "ShardDataset", "Transform", "stream"]
