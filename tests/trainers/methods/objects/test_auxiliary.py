"""Which images matches go through: the next ones of the batch, or some of a pool."""

import torch

from trainers.methods.objects.auxiliary import ImagePool, following


def images(*numbers: int) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.tensor(numbers)
    return values.float()[:, None, None, None].expand(-1, 3, 2, 2), values


def test_the_next_images_follow_each():
    vectors = torch.arange(3.0)[:, None, None].expand(3, 2, 1)
    assert following(vectors, 2)[..., 0].tolist() == [[1, 1, 2, 2], [2, 2, 0, 0], [0, 0, 1, 1]]


def test_a_pool_has_the_last_images():
    pool = ImagePool(4, 2)
    pool.fill(*images(7, 8, 9))
    assert pool.identities.tolist() == [7, 8, 9, 7]
    pool.fill(*images(1, 2))
    assert pool.identities.tolist() == [7, 8, 9, 7]
    pool.add(*images(10, 11, 12))
    pool.add(*images(13, 14))
    assert pool.identities.tolist() == [14, 11, 12, 13]
    assert torch.equal(pool.images[:, 0, 0, 0], pool.identities.float())
    pool.add(*images(*range(20, 26)))
    assert sorted(pool.identities.tolist()) == [22, 23, 24, 25]


def test_draws_are_of_others_each_once():
    pool = ImagePool(6, 2)
    pool.fill(*images(*range(6)))
    torch.manual_seed(0)
    own = torch.tensor([0, 5, 99])
    drawn = torch.stack([pool.draw(own, 3) for _ in range(600)])
    assert drawn.shape == (600, 3, 3)
    assert all(len(set(one)) == 3 for one in drawn.flatten(0, 1).tolist())
    for pair, identity in enumerate(own.tolist()):
        shares = torch.bincount(drawn[:, pair].flatten(), minlength=6) / 600
        expected = torch.full((6,), 3 / 5 if identity < 6 else 3 / 6)
        expected[[identity] if identity < 6 else []] = 0
        torch.testing.assert_close(shares, expected, atol=0.08, rtol=0)
    assert pool.draw(own, 6).sort(dim=1).values.tolist() == [list(range(6))] * 3
