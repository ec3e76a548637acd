"""Failure without a ledger: what an observation alone tells, on a fixture of our own words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.signals import Source, failure_of
from engine.schema.sandbox import IMPORTED
from engine.schema.told import told_failure
from engine.schema.trajectory import ToolCall
from tests.builders import make_call

FIXTURES = Path(__file__).parent.parent / "fixtures" / "observations"


def cases(kind: str) -> list[Any]:
    found = []
    for name in ("first", "second"):
        for n, case in enumerate(yaml.safe_load((FIXTURES / f"{name}.yaml").read_text("utf-8"))[kind]):
            found.append(pytest.param(case, id=f"{name}-{n}-{case.get('shape', case['tool'])}"))
    return found


def imported(case: dict[str, Any], **ledger: Any) -> ToolCall:
    call = make_call(tool=case["tool"], arguments=case["arguments"], observation=case["observation"])
    known = {"exit_code": None, "action": IMPORTED, "argv": (), "path": None} | ledger
    return call.model_copy(update={"ledger": call.ledger.model_copy(update=known)})


@pytest.mark.parametrize("case", cases("failures"))
def test_a_failure_is_told_by_the_observation_alone(case: dict[str, Any]) -> None:
    call = imported(case)
    failure = failure_of(call)
    assert call.failed
    assert failure is not None
    assert failure.error_class == case["error_class"], failure
    assert failure.source is Source.OBSERVATION


@pytest.mark.parametrize("case", cases("failures"))
def test_the_line_that_shows_a_failure_stands_in_the_answer(case: dict[str, Any]) -> None:
    failure = failure_of(imported(case))
    assert failure is not None
    words = [word for word in failure.line.replace(":", " ").split() if word != "HTTP"]
    assert words
    assert all(word.strip("\"'") in case["observation"] for word in words), failure.line


@pytest.mark.parametrize("case", cases("benign"))
def test_a_word_such_as_error_is_no_failure(case: dict[str, Any]) -> None:
    assert not imported(case).failed


@pytest.mark.parametrize("case", cases("failures"))
def test_in_our_own_workspace_the_ledger_decides_whatever_the_output_says(case: dict[str, Any]) -> None:
    ours = imported(case, action="exec", exit_code=0, argv=("bash", "-c", "true"))
    assert not ours.failed
    assert failure_of(ours) is None


def test_another_harness_word_for_success_is_not_trusted() -> None:
    told = "fatal: no such branch\n\n(Command exited with code 128)"
    assert imported({"tool": "exec", "arguments": {}, "observation": told}, exit_code=0).failed
    missing = '{"status": "error", "tool": "web_fetch", "error": "404"}'
    fetched = {"tool": "web_fetch", "arguments": {}, "observation": missing}
    assert imported(fetched, action="exec", exit_code=0).failed, (
        "an exit code without a command proves nothing"
    )


def test_a_command_of_ours_that_failed_in_silence_is_shown_by_the_ledger() -> None:
    failure = failure_of(make_call("exit 4", exit_code=4, observation="(Command exited with code 4)"))
    assert failure is not None
    assert (failure.line, failure.source) == ("exit code 4", Source.LEDGER)


@given(
    st.sampled_from(("exec", "read", "web_fetch", "edit", "Weird-Tool", "")),
    st.text(max_size=80),
    st.text(max_size=300),
)
def test_any_answer_can_be_read(tool: str, arguments: str, observation: str) -> None:
    told_failure(tool, arguments, observation)
    told_failure(tool, json.dumps({"command": arguments}), observation)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["error: ", "a: ", "(", "at ", '{"a":', "not found ", "'\n", "usage: x\n"])
def test_an_enormous_answer_takes_no_enormous_time(piece: str) -> None:
    for tool in ("exec", "web_fetch", "read", "other"):
        told_failure(tool, json.dumps({"command": piece * 100_000}), piece * 300_000)
