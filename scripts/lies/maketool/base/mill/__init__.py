"""A small static site builder."""
