from invoices.numbering import next_number


def test_next_number():
    assert next_number(["2024-0001"], 2024) == "2024-0002"
