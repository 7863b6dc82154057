from itertools import islice

import pytest

from common_fate.torch import EpochLoader, EpochSampler, ShardDataset


def loader_of(view, workers: int, rank: int = 0, world_size: int = 1, **options) -> EpochLoader:
    dataset = ShardDataset(view.folder)
    sampler = EpochSampler(len(dataset), seed=3, rank=rank, world_size=world_size, **options)
    return EpochLoader(dataset, 4, sampler, num_workers=workers, collate_fn=list)


def keys(batch) -> list[tuple[int, str]]:
    return [(sample["epoch"], sample["key"]) for sample in batch]


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_epoch_is_exact_over_workers_and_ranks(view, workers, world_size):
    read = [
        key for rank in range(world_size) for batch in loader_of(view, workers, rank, world_size) for key in keys(batch)
    ]
    assert sorted(read) == [(0, key) for key in view.keys]


@pytest.mark.parametrize("taken", [0, 1, 3, 6, 7])
def test_a_resumed_run_reads_what_an_undisturbed_one_reads(view, taken):
    """22 samples in batches of 4: 6 batches an epoch. At the cut, two workers have prepared up to 4 batches more."""
    whole = loader_of(view, workers=0)
    undisturbed = [keys(batch) for _ in range(2) for batch in whole]

    broken = loader_of(view, workers=2)
    read = []
    while len(read) < taken:
        read += [keys(batch) for batch in islice(broken, taken - len(read))]
    state = broken.state_dict()
    resumed = loader_of(view, workers=2)
    resumed.load_state_dict(state)
    while resumed.sampler.epoch < 2:
        read += [keys(batch) for batch in resumed]
    assert read == undisturbed


def test_the_length_is_that_of_a_whole_epoch(view):
    loader = loader_of(view, workers=0)
    next(iter(loader))
    assert len(loader) == 6


def test_ranks_that_train_together_have_as_many_batches(view):
    for uneven, batches in (("pad", 2), ("drop", 2)):
        counts = [len(list(loader_of(view, 0, rank, 3, uneven=uneven))) for rank in range(3)]
        assert counts == [batches] * 3
