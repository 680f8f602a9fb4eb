"""When the service looks for garbage, in a process of its own: Python has one collector for all."""

import subprocess
import sys

PROGRAM = """
import gc
from kato_service.server.garbage import YOUNG_OBJECTS, begin_collecting

gc.disable()
looks = []
gc.callbacks.append(lambda phase, facts: looks.append((phase, facts["generation"])))
begin_collecting()

class Cycle:
    def __init__(self):
        self.itself = self

def look_count():
    return sum(phase == "stop" for phase, _ in looks)

in_use = [[number] for number in range(YOUNG_OBJECTS - 1000)]
print(look_count())
del in_use
for _ in range(50):
    for _ in range(YOUNG_OBJECTS):
        Cycle()
print(look_count() > 0, sum(type(one) is Cycle for one in gc.get_objects()) <= 2 * YOUNG_OBJECTS)
"""


def test_what_is_in_use_is_left_alone_and_garbage_goes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["0", "True", "True"]
