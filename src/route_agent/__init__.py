"""route-agent: route a coding task by risk, prove the patch, escalate when the evidence is weak.

The package imports nothing at this level, so that `route-agent --help` stays quick.
"""

__version__ = "0.1.0"
