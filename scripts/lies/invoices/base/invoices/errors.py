class InvoiceError(Exception):
    """Base of everything this package raises on purpose."""


class CurrencyMismatch(InvoiceError, ValueError):
    """Two amounts of different currencies were combined."""


class InvalidNumber(InvoiceError, ValueError):
    """Not an invoice number."""


class NotFound(InvoiceError, KeyError):
    """No such invoice in the store."""


class ImportProblem(InvoiceError, ValueError):
    """A row of an imported file cannot be used."""
