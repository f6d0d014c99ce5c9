"""Nearest rank, as in the docstring."""

import pytest
from logsift.stats import describe, percentile

TEN = [15, 20, 35, 40, 50, 61, 72, 83, 94, 105]


@pytest.mark.parametrize(("q", "value"), [(50, 50), (90, 94), (100, 105)])
def test_percentile(q, value):
    assert percentile(TEN, q) == value


def test_order_does_not_matter():
    assert percentile(TEN[::-1], 100) == 105


def test_describe():
    figures = describe([4.0, 2.0])
    assert figures["count"] == 2
    assert figures["p50"] == 2.0


def test_empty():
    with pytest.raises(ValueError):
        percentile([], 50)
    assert describe([]) == {"count": 0}
