"""Parse, assemble, call, print, exit."""
