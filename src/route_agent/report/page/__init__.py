"""The ledger, or one run, as one HTML file that is whole in itself, and as Markdown."""
