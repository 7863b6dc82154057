"""Reading views with torch, by the manifest's offsets or as a stream; see `sample` for what one sample is."""

try:
    from common_fate.torch.dataset import ShardDataset
    from common_fate.torch.loader import EpochLoader
    from common_fate.torch.sample import Sample, Transform
    from common_fate.torch.sampler import EpochSampler
    from common_fate.torch.stream import stream
except ModuleNotFoundError as error:
    if error.name not in ("torch", "webdataset"):
        raise
    hint = f"common_fate.torch needs {error.name}: pip install 'common-fate[torch]'"
    raise ModuleNotFoundError(hint, name=error.name) from None

__all__ = ["EpochLoader", "EpochSampler", "Sample", "ShardDataset", "Transform", "stream"]
