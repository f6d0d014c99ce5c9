from fakes import FakeRandom

from courier import Exponential, Fixed


def test_fixed():
    assert Fixed(3).delay(1) == Fixed(3).delay(9) == 3


def test_exponential():
    backoff = Exponential(base=1, factor=2, cap=10)
    assert [backoff.delay(attempt) for attempt in (1, 2, 3, 4, 5)] == [1, 2, 4, 8, 10]


def test_jitter_adds_a_share():
    backoff = Exponential(base=4, jitter=0.5, rng=FakeRandom(0.5))
    assert backoff.delay(1) == 5
