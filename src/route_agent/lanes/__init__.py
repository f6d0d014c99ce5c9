"""Every way of getting a patch: one class each behind the `Lane` protocol, no plug-in machinery."""
