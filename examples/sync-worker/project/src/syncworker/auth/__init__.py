"""Who may push."""
