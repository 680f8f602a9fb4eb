"""How often Python looks for garbage: cycles of objects, which nothing else frees."""

import gc

YOUNG_OBJECTS = 10_000
"""Net new objects after which the youngest generation is collected; 700 by default in Python 3.11.
While 512 lines are being learned, far more are in use, and every collection found all of them
alive."""
LOOKS = 5
"""Collections of a generation before the next older one is collected, too."""


def begin_collecting() -> None:
    """Collect garbage from now on, except in what a start has made.

    Modules and routes are exempt: going through them takes 80 ms, in which the event loop stands
    still. So they are not collected before either: of what a start makes, one object in 200 becomes
    garbage.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, LOOKS, LOOKS)
    gc.enable()
