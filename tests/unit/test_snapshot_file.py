"""Snapshot files: what was written is read back, and nothing else is ever accepted."""

import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from samples import counted, patterns

from kato_service.domain.statistics import Corrections
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.index import PatternIndex, Piece
from kato_service.knowledge.snapshots.snapshot_file import (
    DamagedSnapshotError,
    SnapshotHeader,
    read_header,
    read_pieces,
    write_snapshot,
)
from kato_service.search.pattern_searcher import PatternSearcher

HEADER = SnapshotHeader("kb", "incarnation", 7, "token")


@pytest.fixture
def new_index() -> Callable[[], PatternIndex]:
    pytest.importorskip("kato_service.search._engine")
    return PatternSearcher("c").new_index


@pytest.fixture
def index(new_index: Callable[[], PatternIndex]) -> PatternIndex:
    index = new_index()
    every = list(patterns(300))
    for pattern in every:
        index.put(pattern, learns=pattern.learns)
    for pattern in every[::7]:
        index.remove(pattern.name)
    index.correct(Corrections({"only corrected": (-3, 4), "a": (5, 5)}, 1, 2, 3))
    return index


@pytest.fixture
def path(tmp_path: Path, index: PatternIndex) -> Path:
    path = tmp_path / "kb"
    write_snapshot(path, HEADER, index.pieces() or ())
    return path


def test_what_was_written_is_read_back(
    path: Path, index: PatternIndex, new_index: Callable[[], PatternIndex]
) -> None:
    assert read_header(path) == HEADER
    again = new_index()
    again.restore(read_pieces(path, HEADER))
    late = replace(next(patterns(1)), name="f" * 40, first=10**6)
    for one in (index, again):
        one.put(late, learns=3)
        one.put(replace(late, frequency=9), learns=1)
    assert list(again.after(-1)) == list(index.after(-1))
    assert counted(again.statistics) == counted(index.statistics)
    best = [
        one.best(("a", "b", "7"), threshold=0.0, limit=400)  # type: ignore[attr-defined]
        for one in (index, again)
    ]
    assert best[0] == best[1]
    assert len(best[0]) == len(index)


def test_pieces_do_not_change_with_the_index(
    index: PatternIndex, new_index: Callable[[], PatternIndex]
) -> None:
    before, statistics = list(index.after(-1)), counted(index.statistics)
    taken = index.pieces()
    assert taken is not None
    for pattern in before[:50]:
        index.put(replace(pattern, frequency=99, revision=10**6, emotives=({"x": 1.0},)), learns=9)
    for pattern in before[50:]:
        index.remove(pattern.name)
    index.put(replace(before[0], name="e" * 40, first=10**6), learns=1)
    again = new_index()
    again.restore(taken)
    assert list(again.after(-1)) == before
    assert counted(again.statistics) == statistics


def test_an_empty_index_is_restored(new_index: Callable[[], PatternIndex]) -> None:
    again = new_index()
    again.restore(new_index().pieces() or ())
    assert len(again) == 0


def test_only_an_empty_index_can_be_restored(index: PatternIndex) -> None:
    with pytest.raises(ValueError, match="without patterns"):
        index.restore(index.pieces() or ())


def test_an_index_in_python_has_no_pieces() -> None:
    assert PlainPatterns().pieces() is None
    assert PatternSearcher("numpy").new_index().pieces() is None


def _refused(path: Path, index: PatternIndex) -> bool:
    """Whether the file is refused, in its header or its content; the index stays empty then."""
    try:
        index.restore(read_pieces(path, read_header(path)))
    except DamagedSnapshotError:
        assert len(index) == 0
        return True
    return False


def test_a_truncated_file_is_refused_wherever_it_ends(
    path: Path, new_index: Callable[[], PatternIndex]
) -> None:
    whole, rng = path.read_bytes(), random.Random(1)
    index = new_index()
    for size in chain(range(0, 200, 3), (rng.randrange(len(whole)) for _ in range(60))):
        path.write_bytes(whole[:size])
        assert _refused(path, index)
    path.write_bytes(whole[:-1])
    assert _refused(path, index)
    path.write_bytes(whole + b"x")
    assert _refused(path, index)


def test_a_flipped_bit_is_detected(path: Path, new_index: Callable[[], PatternIndex]) -> None:
    whole, rng = path.read_bytes(), random.Random(2)
    index = new_index()
    for place in chain(range(150), (rng.randrange(len(whole)) for _ in range(60))):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        assert _refused(path, index)


def test_another_version_and_another_byte_order_are_reported(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"snapshot 1\n", b"snapshot 2\n"))
    with pytest.raises(DamagedSnapshotError, match="version"):
        read_header(path)
    write_snapshot(path, replace(HEADER, byte_order="odd"), ())
    with pytest.raises(DamagedSnapshotError, match="byte order"):
        read_header(path)


def test_a_file_that_was_replaced_during_the_read_is_refused(path: Path) -> None:
    with pytest.raises(DamagedSnapshotError, match="replaced"):
        list(read_pieces(path, replace(HEADER, revision=8)))


def test_wrong_content_under_a_right_checksum_is_refused(
    index: PatternIndex, new_index: Callable[[], PatternIndex]
) -> None:
    rng = random.Random(4)
    every = list(index.pieces() or ())
    harmless = 0
    for _ in range(400):
        again = new_index()
        try:
            again.restore(_spoilt(every, rng))
        except ValueError:
            assert len(again) == 0
            continue
        harmless += 1
        assert len(list(again.after(-1))) == len(again)
        again.best(("a", "b", "7"), threshold=0.0, limit=10)  # type: ignore[attr-defined]
    assert harmless < 400


def _spoilt(every: list[Piece], rng: random.Random) -> list[Piece]:
    pieces = list(every)
    number = rng.randrange(len(pieces))
    tag, content = pieces[number]
    spoilt = bytearray(content)
    for _ in range(rng.choice((0, 1, 1, 4))):
        if spoilt:
            spoilt[rng.randrange(len(spoilt))] = rng.choice((0, 1, 127, 128, 255))
    cut = rng.choice((len(spoilt), len(spoilt), rng.randrange(len(spoilt) + 1)))
    pieces[number] = (tag, bytes(spoilt[:cut]))
    if rng.random() < 0.2:
        pieces.insert(rng.randrange(len(pieces)), pieces.pop(rng.randrange(len(pieces))))
    if rng.random() < 0.2:
        pieces.insert(rng.randrange(len(pieces)), rng.choice(pieces))
    return pieces


def test_a_process_killed_while_it_writes_leaves_the_previous_file(path: Path) -> None:
    before = path.read_bytes()
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from kato_service.knowledge.snapshots import snapshot_file as files\n"
        "def pieces():\n"
        "    for number in range(1000):\n"
        "        yield b'symb', bytes(30_000)\n"
        "        if number == int(sys.argv[2]):\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "header = files.SnapshotHeader('kb', 'i', 8, 't')\n"
        "files.write_snapshot(Path(sys.argv[1]), header, pieces())\n"
    )
    for number in ("0", "1", "500"):
        done = subprocess.run([sys.executable, "-c", program, str(path), number], check=False)
        assert done.returncode == -signal.SIGKILL
        assert path.read_bytes() == before


@pytest.fixture
def file_size_limit() -> Iterator[int]:
    """Bytes beyond which the kernel refuses to write a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    yield 2**20
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_leaves_the_previous_file_and_no_other(
    path: Path, file_size_limit: int
) -> None:
    before = path.read_bytes()
    with pytest.raises(OSError, match="File too large"):
        write_snapshot(path, HEADER, [(b"symb", bytes(file_size_limit))])
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
