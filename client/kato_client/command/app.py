"""The commands and their options. Each says what it does next, and how to undo it."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from kato_client import Kato, KatoError, __version__
from kato_client.command import chatting, files, measuring, screen, sequences, watching
from kato_client.command.instance import Instance, WrongFileError, instance
from kato_client.command.sequences import Form
from kato_client.transfers import Moved

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Learn, predict and look around in an instance of KATO.",
)
User = Annotated[str, typer.Option("--user", "-u", help="Whose knowledge to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class _Chosen:
    """What the options before the command say."""

    instance = Instance("")
    timeout_s = 0.0

    def client(self) -> Kato:
        return self.instance.client(self.timeout_s)


chosen = _Chosen()


def _version(wanted: bool) -> None:
    if wanted:
        screen.out.print(f"kato {__version__}")
        raise typer.Exit


@app.callback()
def of_all(
    url: Annotated[
        str | None,
        typer.Option(help="Address of the instance; default: KATO_URL, or http://localhost:8000."),
    ] = None,
    credentials: Annotated[
        Path | None,
        typer.Option(help="TOML file with api_key or token; default: ~/.config/kato."),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one call with its repeats.")] = 20.0,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Credentials come from KATO_API_KEY or KATO_TOKEN, or from a file that only you can read. They
    are no options, because every user of a machine sees the options of all programs."""
    chosen.instance = instance(url, credentials, os.environ)
    chosen.timeout_s = timeout
    if chosen.instance.warning:
        screen.problem(chosen.instance.warning)


@app.command()
def learn(
    file: Annotated[str, typer.Argument(help="A text, CSV or JSONL file; - for standard input.")],
    user: User,
    form: Annotated[
        Form | None, typer.Option("--form", help="What the lines are; default: by the ending.")
    ] = None,
    columns: Annotated[
        str, typer.Option(help="Columns of a table to use, separated by commas; default: all.")
    ] = "",
    group: Annotated[
        str | None,
        typer.Option(help="Column whose equal values make rows one sequence; else a row is one."),
    ] = None,
    field: Annotated[str, typer.Option(help="Field of JSON objects with the events.")] = "events",
    name: Annotated[
        str | None,
        typer.Option(help="Name of this run: run again with it, the same file counts once."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learn a file: each line a sequence, each word an event."""
    form = form or sequences.form_of(file)
    names = [one.strip() for one in columns.split(",") if one.strip()]
    run_name = name or uuid4().hex
    with (
        files.opened(file) as (lines, progress),
        files.completable(run_name) as noted,
        chosen.client() as kato,
    ):
        screen.notice(
            f"learning {file} as {user} at {chosen.instance.url}",
            undo=f"kato erase --user {user}    (everything that {user} has learned)",
        )
        if form is Form.TEXT:
            found = sequences.of_text(lines)
        elif form is Form.JSONL:
            found = sequences.of_json(lines, field)
        else:
            delimiter = "\t" if file.lower().endswith(".tsv") else ","
            found = sequences.of_table(lines, names, group, delimiter)
        done = kato.user(user).learn(noted(found), unique_id=run_name, progress=progress)
    for failure in done.failures[:20]:
        screen.problem(f"sequence {failure.line}: {failure.message}")
    if as_json:
        screen.plain(done.raw)
    else:
        screen.out.print(screen.learned(done))
        screen.notice(f"try it: kato predict --user {user} WORD WORD …")
    if done.errors:
        raise typer.Exit(1)


@app.command()
def predict(
    observed: Annotated[list[str], typer.Argument(help="Events; a+b are symbols of one event.")],
    user: User,
    limit: Annotated[int, typer.Option(help="How many, at most.")] = 10,
    threshold: Annotated[
        float | None, typer.Option(help="Similarity that patterns must reach, from 0 to 1.")
    ] = None,
    show_next: Annotated[
        bool, typer.Option("--next", help="Show what comes next, instead of patterns.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what events recall. Nothing is stored."""
    given = [event.split("+") for event in observed]
    genes = {} if threshold is None else {"recall_threshold": threshold}
    with chosen.client() as kato:
        if show_next:
            following = kato.user(user).next(given, genes=genes, limit=limit, explain=True)
            return _show(following.raw, screen.following(following), as_json=as_json)
        found = kato.user(user).predict(given, genes=genes, limit=limit, explain=True)
    if not len(found) and not as_json:
        return screen.notice(f"nothing: {screen.reasons(found)}")
    return _show(found.raw, screen.predictions(found), as_json=as_json)


@app.command()
def chat(user: User) -> None:
    """Talk: observe words, see predictions at once, learn."""
    screen.notice(
        f"talking as {user} at {chosen.instance.url}; the session ends with the talk",
        undo=f"kato erase --user {user}    (everything that {user} has learned)",
    )
    if sys.stdin.isatty():
        screen.notice(chatting.HELP)
    with chosen.client().session(user=user) as session:
        chatting.chat(session, _typed())


def _typed() -> Iterator[str]:
    while True:
        try:
            yield input("› " if sys.stdin.isatty() else "")
        except EOFError:
            return


def _finite(seconds: float) -> float:
    if not isfinite(seconds):
        raise typer.BadParameter("it must be a finite number of seconds")
    return seconds


@app.command()
def top(
    every: Annotated[
        float, typer.Option(min=0.1, callback=_finite, help="Seconds between two looks.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch an instance: health, load, stores. Changes nothing; end with Ctrl-C."""
    with chosen.client() as kato:
        if once or as_json:
            found = watching.sample(kato)
            return _show(found, watching.shown(found), as_json=as_json)
        with suppress(KeyboardInterrupt), Live(console=screen.out, auto_refresh=False) as live:
            while True:
                live.update(watching.shown(watching.sample(kato)), refresh=True)
                time.sleep(every)


@app.command()
def bench(
    url: Annotated[
        str | None, typer.Argument(help="Address; default: as for all commands.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, callback=_finite, help="How long.")] = 10.0,
    clients: Annotated[int, typer.Option(min=1, max=64, help="Users that talk at once.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Measure how fast an instance answers. Its users are erased at the end."""
    if url is not None:
        chosen.instance = replace(chosen.instance, url=url)
    screen.notice(
        f"{clients} users talk to {chosen.instance.url} for {seconds:g} s",
        undo="nothing is left; if it is cut off, erase the users kato-bench-…",
    )
    with Progress(console=screen.notices, transient=True) as bars, chosen.client() as kato:
        task = bars.add_task("measuring", total=seconds)
        figures = measuring.measured(
            kato, seconds, clients, lambda passed_s: bars.update(task, completed=passed_s)
        )
    rows = figures.rows()
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(str, row.values()))
    _show(rows, table, as_json=as_json)


@app.command("export")
def export_(
    file: Annotated[Path, typer.Argument(help="The file to write; .gz makes it compressed.")],
    user: User,
    vectors: Annotated[bool, typer.Option(help="Whether vectors are part of it.")] = True,
    as_json: AsJson = False,
) -> None:
    """Write what a user has learned to a file, which is there whole or not at all."""
    screen.notice(f"exporting {user} at {chosen.instance.url} to {file}", undo=f"rm {file}")
    with _moving("exported") as progress, chosen.client() as kato, _using(file):
        done = kato.user(user).export(file, vectors=vectors, progress=progress)
    if as_json:
        return screen.plain(done.raw)
    screen.out.print(f"{done.patterns} patterns, {done.vectors or 0} vectors")
    return screen.notice(f"to import it elsewhere: kato --url … import {file} --user {user}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file of kato export or kato-service export.")],
    user: User,
    replace_all: Annotated[
        bool, typer.Option("--replace", help="Drop what the user has learned before.")
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(help="Name of this import: under another one, the same file counts again."),
    ] = None,
    vectors: Annotated[bool, typer.Option(help="Whether vectors are imported.")] = True,
    as_json: AsJson = False,
) -> None:
    """Put a file into what a user has learned. Run again after an interruption, it continues."""
    screen.notice(
        f"importing {file} as {user} at {chosen.instance.url}",
        undo=f"kato erase --user {user}    (everything that {user} has learned)",
    )
    with _moving("imported") as progress, chosen.client() as kato, _using(file):
        done = kato.user(user).import_file(
            file, replace=replace_all, unique_id=name, vectors=vectors, progress=progress
        )
    if as_json:
        return screen.plain(done.raw)
    before = f", {done.repeated} imported before" if done.repeated else ""
    return screen.out.print(f"{done.imported} of {done.parts} parts imported{before}")


@contextmanager
def _moving(doing: str) -> Iterator[Any]:
    """A bar, and what moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=screen.notices, transient=True) as bars:
        task = bars.add_task(doing, total=None)

        def progress(so_far: Moved) -> None:
            bars.update(task, completed=so_far.done, total=so_far.total or None)

        yield progress


@contextmanager
def _using(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WrongFileError(f"{file} cannot be used: {error.strerror}") from error


@app.command()
def erase(
    user: User,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase everything of a user: knowledge, vectors and sessions. There is no undo."""
    with chosen.client() as kato:
        if not yes:
            info = kato.user(user).info()
            question = f"erase {info.patterns} patterns and {info.sessions} sessions of {user}?"
            typer.confirm(f"{question} There is no undo.", abort=True, err=True)
        done = kato.user(user).erase()
    if as_json:
        return screen.plain(done.raw)
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in done.erased.items())
    return screen.out.print(f"erased: {counts}")


@app.command()
def mcp(
    user: User,
    http: Annotated[
        bool, typer.Option("--http", help="Serve over HTTP, not over standard input and output.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --http: where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="With --http: the port.")] = 8765,
) -> None:
    """Serve the tools observe, learn, predict, explain and forget to agents (MCP)."""
    try:
        from kato_client.agents.tools import server
    except ImportError as error:
        screen.problem("agents need another package: pip install 'kato-client[agents]'")
        raise typer.Exit(1) from error
    where = f"http://{host}:{port}/mcp" if http else "standard input and output"
    screen.notice(
        f"serving {user} at {chosen.instance.url} to agents on {where}; end with Ctrl-C",
        undo=f"kato erase --user {user}    (everything that {user} has learned)",
    )
    if http and host not in {"127.0.0.1", "localhost", "::1"}:
        screen.problem(f"whoever reaches {where} can act as {user}: it asks for no credentials")
    made = server(chosen.instance.asynchronous(chosen.timeout_s), user)
    if http:
        made.run("streamable-http", host=host, port=port)
    else:
        made.run("stdio")


def _show(raw: Any, shown: Any, *, as_json: bool) -> None:
    if as_json:
        screen.plain(raw)
    else:
        screen.out.print(shown)


def run() -> None:
    """Run the command of the process's arguments; failures end it with their fix."""
    try:
        app()
    except (KatoError, WrongFileError) as error:
        screen.problem(str(error))
        for note in getattr(error, "__notes__", ()):
            screen.problem(note)
        sys.exit(1)
