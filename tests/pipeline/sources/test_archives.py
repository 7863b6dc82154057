import multiprocessing
import zipfile

import numpy as np

from pipeline.sources.archives import Tree

MEMBERS = 300


def member(number: int) -> bytes:
    return bytes([number % 256]) * (3000 + number)


def wrong(tree: Tree, seed: int) -> int:
    """How many members are not read as they are."""
    order = np.random.default_rng(seed).permutation(MEMBERS).tolist()
    return sum(tree.read(str(number)) != member(number) for number in order)


def test_forks_read_a_zip_that_was_open_before(tmp_path):
    """As loader processes do: an open file's place would be one for all of them."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(MEMBERS):
            archive.writestr(str(number), member(number))
    tree = Tree(((str(tmp_path / "a.zip"), ""),))
    assert tree.read("7") == member(7)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.starmap(wrong, [(tree, seed) for seed in range(8)]) == [0] * 8
