import pytest

from depot import NotEnough, UnknownReservation, parse


def test_reserve(ledger):
    entry = ledger.reserve("FL-001", parse("4 kg"), now=0, until=100)
    assert entry.id == 1
    assert str(ledger.held("FL-001", now=0)) == "4 kg"
    assert str(ledger.available("FL-001", now=0)) == "6 kg"


def test_reserve_in_another_unit(ledger):
    ledger.reserve("FL-001", parse("500 g"), now=0, until=100)
    assert str(ledger.available("FL-001", now=0)) == "9.5 kg"


def test_not_enough(ledger):
    ledger.reserve("OI-001", parse("2 l"), now=0, until=100)
    with pytest.raises(NotEnough):
        ledger.reserve("OI-001", parse("1500 ml"), now=0, until=100)
    assert len(ledger) == 1


def test_items_do_not_mix(ledger):
    ledger.reserve("OI-001", parse("2 l"), now=0, until=100)
    assert str(ledger.available("FL-001", now=0)) == "10 kg"


def test_release(ledger):
    entry = ledger.reserve("OI-001", parse("2 l"), now=0, until=100)
    assert ledger.release(entry.id) == entry
    assert len(ledger) == 0


def test_expire(ledger):
    ledger.reserve("OI-001", parse("1 l"), now=0, until=50)
    ledger.reserve("OI-001", parse("1 l"), now=0, until=80)
    assert ledger.expire(60) == [1]
    assert len(ledger) == 1


def test_unknown_reservation(ledger):
    with pytest.raises(UnknownReservation):
        ledger.commit(7, now=0)
