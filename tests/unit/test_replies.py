"""JSON objects out of what models write."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.replies import read_json_object, read_objects

REPLY = {"completed": False, "query": 'Move {it} to "b".'}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(REPLY),
        f"```json\n{json.dumps(REPLY)}\n```",
        f"Here you are: {json.dumps(REPLY)} Anything else?",
        f"I use {{braces}} now. {json.dumps(REPLY)}",
        f"{{{json.dumps(REPLY)}}}\n\n\n",
        f"<tool_call>\n{json.dumps(REPLY)}\n</tool_call>",
        f'{json.dumps(REPLY)}\n{{"second": 1}}',
    ],
    ids=["bare", "fenced", "in prose", "after braces", "doubled braces", "tagged", "the first of two"],
)
def test_a_valid_object_is_found_whatever_stands_around_it(text: str) -> None:
    assert read_json_object(text) == read_objects(text).whole == REPLY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"completed": false, "query": "x",}', {"completed": False, "query": "x"}),
        ("{'completed': false, 'query': \"don't\"}", {"completed": False, "query": "don't"}),
        ('{"completed": False, "query": None}', {"completed": False, "query": None}),
        ('{"completed": false, // not yet\n "query": "x"}', {"completed": False, "query": "x"}),
        ('{"query": "say "hi" to me", "completed": false}', {"completed": False, "query": 'say "hi" to me'}),
        ('{"query": "two\nlines", "completed": true}', {"completed": True, "query": "two\nlines"}),
        ('{\'arguments\': {"command": "ls"},}', {"arguments": {"command": "ls"}}),
    ],
    ids=[
        "trailing comma",
        "single quotes",
        "Python",
        "comment",
        "inner quotes",
        "line break",
        "inner object",
    ],
)
def test_a_slightly_broken_object_is_mended(text: str, expected: dict[str, object]) -> None:
    assert read_json_object(text) == expected


def test_an_object_without_its_end_is_mended_only_where_half_of_it_will_do() -> None:
    cut = '{"completed": false, "query": "Please move the'
    assert read_json_object(cut) == {"completed": False, "query": "Please move the"}
    assert read_objects(cut).whole is None
    assert read_objects('{"content": "x}').whole is None


@pytest.mark.parametrize("text", ["", "no", "[1, 2]", "{}", "{", "}{", '"{"', "{{}}"])
def test_where_there_is_no_object_there_is_none(text: str) -> None:
    assert read_json_object(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "{" * 10**6,
        '{"a":' * 10**6,
        "{[" * 10**6,
        "{{" * 10**6 + "}}" * 10**6,
        '{"a": "' + '" ' * 10**6,
        '{"a": "' + '\\"' * 10**6,
        "{x}" * 10**6,
        "{'a': 'b" * 2500,
        '{"a" "b" ' * 2200,
        "{#" * 9000,
        '{"a": ' + "(" * 19_000,
        ('{"a":' + "(" * 19_900 + "}") * 16,
        '{"a":"' + "{a:" * 3300 + "}",
        '{"a":' + '{"' * 6000 + "}",
        '{"a":[' + "\"'" * 6000 + "}",
        ("{" + "[]" * 249_000 + "}") * 15,
    ],
)
def test_hostile_text_takes_little_time(text: str) -> None:
    began = time.process_time()
    read_json_object(text)
    assert time.process_time() - began < 5


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=20), min_size=1), st.text(max_size=30))
def test_every_object_comes_back_as_it_was_written(value: dict[str, str], before: str) -> None:
    prose = before.replace("{", "")
    assert read_json_object(f"{prose}{json.dumps(value)}{prose}") == value
