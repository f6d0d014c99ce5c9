import pytest
from logsift.errors import OptionError
from logsift.levels import check_level, normalise, rank


def test_aliases():
    assert normalise("WARN") == "warning"
    assert normalise(" fatal ") == "critical"


def test_order():
    assert rank("debug") < rank("info") < rank("warning") < rank("error")
    assert rank("notice") == -1


def test_check_level():
    assert check_level("Err") == "error"
    with pytest.raises(OptionError):
        check_level("loud")
