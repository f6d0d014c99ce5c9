from depot import parse


def test_what_is_over_is_free(ledger):
    ledger.reserve("FL-001", parse("4 kg"), now=0, until=100)
    assert str(ledger.available("FL-001", now=99)) == "6 kg"
    assert str(ledger.available("FL-001", now=150)) == "10 kg"
