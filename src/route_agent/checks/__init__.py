"""Run the configured commands on a tree and read what they say."""
