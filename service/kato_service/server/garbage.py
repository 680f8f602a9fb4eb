"""How often Python looks for garbage: cycles of objects, which nothing else frees."""

import gc

YOUNG_OBJECTS = 10_000
"""Objects that stay after they were made, up to a look at those alone. By default 700: while 512
lines are learned, far more are in use, so that every look finds all of them alive."""
LOOKS = 5
"""Looks at young objects up to one at those that outlived one, and of those up to one at all."""


def begin_collecting() -> None:
    """Collect garbage from now on, except in what a start has made.

    Modules and routes are exempt: going through them takes 80 ms, in which the event loop stands
    still. So they are not collected before either: of what a start makes, one object in 200 becomes
    garbage.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, LOOKS, LOOKS)
    gc.enable()
