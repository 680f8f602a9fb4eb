"""How processes that tests start end with the tests."""

import shutil


def dying_with_us() -> tuple[str, ...]:
    """The start of a command whose process the kernel kills when ours has ended."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()
