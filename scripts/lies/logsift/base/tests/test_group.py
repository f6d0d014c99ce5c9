from logsift.group import group_counts


def test_counts_come_back(requests):
    rows = group_counts(requests, "path")
    assert rows
    assert ("/search", 2) in rows
