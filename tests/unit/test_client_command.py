"""What the command `kato` reads: files of sequences, and where the instance is."""

from pathlib import Path

import pytest

from kato_client.command import sequences
from kato_client.command.instance import DEFAULT_URL, WrongFileError, instance
from kato_client.command.sequences import Form, of_json, of_table, of_text

VISITS = ["visitor,page,action", "1,home,see", "1,item,buy", "2,home,", "2,,see", "1,help,see"]


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.csv", Form.CSV), ("a.TSV", Form.CSV), ("a.jsonl", Form.JSONL), ("LICENSE", Form.TEXT)],
)
def test_the_form_follows_from_the_name(name: str, form: Form) -> None:
    assert sequences.form_of(name) is form


def test_each_line_of_a_text_is_a_sequence_of_words() -> None:
    assert [*of_text(["a b\n", "\n", "  c\n"])] == [[["a"], ["b"]], [["c"]]]


def test_each_row_of_a_table_is_a_sequence_of_cells() -> None:
    found = [*of_table(VISITS, ["action", "page"], None, ",")]
    assert found[0] == [["see"], ["home"]]
    assert found[2:4] == [[["home"]], [["see"]]]


def test_rows_of_one_group_are_one_sequence() -> None:
    assert [*of_table(VISITS, [], "visitor", ",")] == [
        [["home", "see"], ["item", "buy"]],
        [["home"], ["see"]],
        [["help", "see"]],
    ]


def test_an_unknown_column_is_told_with_the_known_ones() -> None:
    with pytest.raises(WrongFileError, match="no column 'pages'; it has visitor, page, action"):
        [*of_table(VISITS, ["pages"], None, ",")]


def test_columns_of_the_same_name_are_all_used_and_none_is_chosen_by_it() -> None:
    lines = ["step,step,", "1,2,3"]
    assert [*of_table(lines, [], None, ",")] == [[["1"], ["2"], ["3"]]]
    for columns, group in (["step"], None), ([], "step"):
        with pytest.raises(WrongFileError, match="has 2 columns 'step'"):
            [*of_table(lines, columns, group, ",")]


def test_lines_of_json_are_lists_of_events_or_hold_one() -> None:
    lines = ['["a", ["b", "c"]]', "", '{"visit": ["d"], "more": 1}']
    assert [*of_json(lines, "visit")] == [[["a"], ["b", "c"]], [["d"]]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "line 1 is not JSON"),
        ('{"events": 1}', "line 1 is neither a list of events nor has one in 'events'"),
        ('["a", 1]', "line 1 has an event that is neither a text nor a list of texts"),
        ('[["a", null]]', "line 1 has an event that is neither"),
    ],
)
def test_other_lines_are_told_by_number(line: str, words: str) -> None:
    with pytest.raises(WrongFileError, match=words):
        [*of_json([line], "events")]


def test_the_command_line_names_the_instance_before_environment_and_file(tmp_path: Path) -> None:
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert instance(None, None, home).url == DEFAULT_URL
    file = tmp_path / "kato" / "credentials.toml"
    file.parent.mkdir()
    file.write_text('url = "http://file"\napi_key = "secret"\n')
    file.chmod(0o600)
    found = instance(None, None, home)
    assert (found.url, found.api_key, found.token, found.warning) == (
        *("http://file", "secret"),
        *(None, None),
    )
    given = {**home, "KATO_URL": "http://environment", "KATO_TOKEN": "token"}
    assert instance(None, None, given).url == "http://environment"
    assert instance(None, None, given).token == "token"
    assert instance("http://line", None, given).url == "http://line"


def test_secrets_that_others_can_see_are_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('token = "secret"')
    file.chmod(0o644)
    assert f"chmod 600 {file}" in str(instance(None, file, {}).warning)
    seen = instance("http://me:secret@host", None, {"HOME": str(tmp_path)})
    assert seen.warning == (
        "every user of this machine can see the password in --url; put it into KATO_URL"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a = ", "cannot be read as TOML"),
        ('apikey = "x"', "not 'apikey'"),
        ("url = 1", "not 'url'"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "credentials.toml"
    file.write_text(content)
    with pytest.raises(WrongFileError, match=words):
        instance(None, file, {})


def test_a_file_that_was_asked_for_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(WrongFileError, match="No such file"):
        instance(None, tmp_path / "none", {})
