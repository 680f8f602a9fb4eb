"""Kubernetes quantities (250m, 2, 1Gi) as exact numbers."""

import re
from decimal import Decimal

QUANTITY = re.compile(r"^([+-]?[0-9.]+)([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE]?)$")
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def quantity(value: object) -> Decimal | None:
    """The number that a Kubernetes quantity stands for; None if the value is not a quantity."""
    found = QUANTITY.match(str(value))
    if not found:
        return None
    number, unit = found.groups()
    if unit in BINARY:
        return Decimal(number) * Decimal(1024) ** BINARY[unit]
    if unit in DECIMAL:
        return Decimal(number).scaleb(DECIMAL[unit])
    return Decimal(number + unit)
