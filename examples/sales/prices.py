"""What things cost after tax."""

from decimal import Decimal

TAX = Decimal("0.20")


def gross(net: str) -> Decimal:
    """A net price with the tax on it."""
    return (Decimal(net) * (1 + TAX)).quantize(Decimal("0.01"))
