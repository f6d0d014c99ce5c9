"""Rounding of exact amounts to whole cents."""

from decimal import ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal


def half_up(value: Decimal) -> int:
    """The nearest whole number; ties go away from zero."""
    return int((value + Decimal("0.5")).to_integral_value(rounding=ROUND_FLOOR))


def half_even(value: Decimal) -> int:
    """The nearest whole number; ties go to the even one."""
    return int(value.to_integral_value(rounding=ROUND_HALF_EVEN))


def down(value: Decimal) -> int:
    """Cut off what is behind the point."""
    return int(value.to_integral_value(rounding=ROUND_DOWN))


MODES = {"half_up": half_up, "half_even": half_even, "down": down}


def round_cents(value: Decimal, mode: str = "half_up") -> int:
    try:
        rounder = MODES[mode]
    except KeyError:
        raise ValueError(f"unknown rounding mode: {mode}") from None
    return rounder(value)
