"""A conversation at a prompt."""

from collections.abc import Callable, Iterator

from kato_client import InvalidRequestError, Session
from kato_client.command import screen

HELP = """Each word is an event; a+b are two symbols of one event. Commands:
  /learn   learn what was observed, and start over    /clear   forget what was observed
  /stm     show what was observed                      /next    show what comes next
  /quit    end; what was learned stays"""


def chat(session: Session, lines: Iterator[str]) -> None:
    """Carry out *lines* until they end, or one says so."""
    commands: dict[str, Callable[[Session], None]] = {
        "/learn": _learn,
        "/clear": lambda session: session.clear_stm(),
        "/stm": lambda session: screen.out.print(screen.text(screen.events(session.stm()))),
        "/next": lambda session: screen.out.print(screen.following(session.next(limit=5))),
    }
    for line in lines:
        given = line.strip()
        if given == "/quit":
            return
        try:
            if given in commands:
                commands[given](session)
            elif given.startswith("/"):
                screen.out.print(screen.text(HELP))
            elif given:
                _observe(session, given)
        except InvalidRequestError as error:
            screen.problem(str(error))


def _learn(session: Session) -> None:
    learned = session.learn()
    times = "" if learned.frequency is None else f", {learned.frequency} times so far"
    screen.out.print(
        screen.text(f"{learned.message}: {learned.pattern_name}{times}", style="green")
    )


def _observe(session: Session, given: str) -> None:
    session.observe_sequence([word.split("+") for word in given.split()])
    found = session.predictions(limit=5, explain=True)
    if len(found):
        screen.out.print(screen.predictions(found))
    else:
        screen.out.print(screen.text(screen.reasons(found), style="dim"))
