from datetime import date

import pytest

from invoices.errors import ImportProblem
from invoices.importer import read_invoices

HEAD = "number,customer,issued,description,quantity,unit_price,tax"


def test_rows_of_one_number_belong_together():
    rows = [HEAD, "2024-0001,Northwind,2024-03-01,Paper,2,4.50,19", "2024-0001,Northwind,2024-03-01,Ink,1,9.00,19"]
    (invoice,) = read_invoices(rows)
    assert invoice.subtotal.cents == 1800
    assert invoice.due == date(2024, 3, 15)


def test_terms_column():
    (invoice,) = read_invoices([HEAD + ",terms", "2024-0001,Northwind,2024-03-01,Paper,2,4.50,19,7"])
    assert invoice.terms_days == 7


def test_bad_row_names_its_line():
    with pytest.raises(ImportProblem, match="line 2"):
        read_invoices([HEAD, "2024-0001,Northwind,2024-03-01,Paper,two,4.50,19"])
