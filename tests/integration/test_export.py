"""Files written by ``kato-service export``: the same bytes each time, or no file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from transfers import Target, command, done, environment, file_of

from kato_service.transfer.export_command import _output


def test_an_export_has_the_same_bytes_each_time(tmp_path: Path, target: Target) -> None:
    done(target, "import", file_of(tmp_path, 40))
    out = tmp_path / "out.gz"
    done(target, "export", "-o", out)
    assert command(target, "export").stdout == out.read_bytes()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("out", [".", "folder", "file/x", "nowhere/x", "x" * 300, "pipe", "full"])
def test_an_output_that_cannot_be_written_is_reported(
    tmp_path: Path, embedded: Target, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    if out == "full":
        with Path("/dev/full").open("wb") as full:
            program = [sys.executable, "-m", "kato_service", "export"]
            ended = subprocess.run(
                program, env=environment(embedded), stdout=full, stderr=subprocess.PIPE, check=False
            )
        said, code = ended.stderr.decode(), ended.returncode
    else:
        said, code = done(embedded, "export", "-o", out, code=2), 2
    assert code == 2
    assert "cannot be written" in said.splitlines()[-1]
    assert not list(tmp_path.rglob("*.partial"))
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("user", ["", "x" * 257, "a\nb", "\udcff"])
def test_the_commands_refuse_a_user_that_the_api_refuses(
    tmp_path: Path, embedded: Target, capsys: pytest.CaptureFixture[str], user: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        done(embedded, "export", "--user", user, "-o", tmp_path / "x")
    assert ended.value.code == 2
    assert "printable" in capsys.readouterr().err


def test_two_exports_into_one_file_do_not_mix(tmp_path: Path) -> None:
    """Each writes its own partial file; the last one to finish replaces the file."""
    out = tmp_path / "out.gz"
    (tmp_path / "out.gz.partial").write_bytes(b"another's")
    with _output(out) as file:
        file.write(b"mine")
    assert out.read_bytes() == b"mine"
    assert (tmp_path / "out.gz.partial").read_bytes() == b"another's"
