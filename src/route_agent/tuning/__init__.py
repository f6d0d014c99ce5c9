"""Fitting a policy to recorded outcomes: which lanes, in which order, with which caps and accept rules."""
