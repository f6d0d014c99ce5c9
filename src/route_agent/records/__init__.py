"""The words of the house: frozen records that cross layer borders. No input, no output, no rules."""
