"""The command ``kato-service``; `program` says what it does."""

import gc


def main() -> None:
    """Run the program.

    Hardly anything that a start makes becomes garbage, but looking for it takes a sixth of the time
    of a start: nothing is collected until the server listens or a command runs.
    """
    gc.disable()
    from kato_service.program import main as run

    run()


if __name__ == "__main__":
    main()
