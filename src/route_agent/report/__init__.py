"""From a run to text. Nothing is decided here."""
