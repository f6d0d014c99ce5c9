"""Every way of getting a patch. A lane is one class behind the `Lane` protocol; there is no plug-in machinery."""
