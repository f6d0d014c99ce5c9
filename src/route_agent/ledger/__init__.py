"""What was run, what it cost, and the budget, in one SQLite file."""
