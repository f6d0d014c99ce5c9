"""Which lane first, what stands above it, and what its patch must prove. Pure: records in, records out."""

from __future__ import annotations

from route_agent.classes import is_confirmed, is_test_path, outside
from route_agent.routing.bars import bar_of, rungs, wants_reproduction, within_reach
from route_agent.routing.deciding import Wish, route
from route_agent.routing.phases import AUTOMATED, Ended, refuse_text, settled
from route_agent.routing.routers import ROUTERS, Level, Router, Situation, complexity_of

__all__ = [
    "AUTOMATED",
    "ROUTERS",
    "Ended",
    "Level",
    "Router",
    "Situation",
    "Wish",
    "bar_of",
    "complexity_of",
    "is_confirmed",
    "is_test_path",
    "outside",
    "refuse_text",
    "route",
    "rungs",
    "settled",
    "wants_reproduction",
    "within_reach",
]
