from __future__ import annotations

import pytest

from syncworker.backoff import Backoff


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0)])
def test_each_delay_is_twice_the_one_before(attempts: int, seconds: float) -> None:
    assert Backoff().delay(attempts) == seconds


def test_a_delay_never_passes_the_ceiling() -> None:
    assert Backoff(ceiling=10).delay(50) == 10


def test_no_delay_without_an_attempt() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Backoff().delay(0)


def test_a_backoff_that_cannot_grow_is_refused() -> None:
    with pytest.raises(ValueError, match="factor"):
        Backoff(factor=0.5)
