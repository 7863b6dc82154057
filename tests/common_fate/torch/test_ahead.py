import threading

import pytest

from common_fate.torch.ahead import one_ahead


def test_in_order_and_the_next_meanwhile():
    begun = {number: threading.Event() for number in range(4)}

    def make(number):
        begun[number].set()
        return number * 10

    made = one_ahead(make, range(4))
    assert next(made) == 0
    assert begun[1].wait(5)
    assert not begun[2].wait(0.05)
    assert list(made) == [10, 20, 30]
    assert list(one_ahead(make, [])) == []


def test_a_failure_comes_in_its_turn():
    def make(number):
        return 10 // number

    made = one_ahead(make, [5, 0, 1])
    assert next(made) == 2
    with pytest.raises(ZeroDivisionError):
        next(made)
