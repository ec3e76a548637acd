"""The scripted models follow what really came back, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine import build
from engine.errors import ModelError
from engine.execute.observations import exec_text
from engine.providers.script import Library, Script, write_script
from engine.providers.scripted_chat import ScriptedAgent, ScriptedUser
from engine.schema.chat import ChatMessage, Role
from engine.schema.endings import error_text
from engine.schema.playbook import Branch, Playbook, PlayStep, PlayTurn, Register, Way
from engine.schema.sandbox import Effect
from engine.schema.trajectory import Evidence, EvidenceCall
from tests.builders import NOON, make_intent

CALL = PlayStep(
    tool="exec",
    arguments={"command": "count <<file>>"},
    capture={"total": r"total (\d+)"},
    branches=(
        Branch(
            when="No such file",
            steps=(PlayStep(tool="write", arguments={"path": "<<file>>", "content": "x"}),),
        ),
    ),
)
BOOK = Playbook(
    task_id="count-lines",
    slots={"file": ("a.txt", "b.txt")},
    mentions=("I need <<file>> counted.", "Count <<file>> for me."),
    ways=(
        Way(
            turns=(
                PlayTurn(
                    ask={Register.PLAIN: ("Count the lines of <<file>>.",)},
                    steps=(CALL,),
                    answer=("There are <<total>> lines.",),
                    answer_failed=("It failed: <<last_error>>",),
                ),
            )
        ),
    ),
)


@pytest.fixture
def script() -> Script:
    shipped = build.script_library()
    library = Library(
        {"count-lines": BOOK}, BOOK.model_copy(update={"task_id": "closing"}), shipped.lexicons, shipped.voice
    )
    return write_script(make_intent(task_ids=("count-lines",)), library, seed=4)


def user_message(text: str) -> ChatMessage:
    return ChatMessage(role=Role.USER, content=text)


def observed(text: str) -> ChatMessage:
    return ChatMessage(role=Role.TOOL, content=text, tool_call_id="c")


def agent_says(script: Script, *messages: ChatMessage) -> str | dict[str, object]:
    completion = ScriptedAgent(script).complete(messages)
    return json.loads(completion.tool_calls[0].arguments) if completion.tool_calls else completion.content


def test_the_agent_answers_with_the_number_that_was_observed(script: Script) -> None:
    assert agent_says(script, user_message("go"), observed("total 41")) == "There are 41 lines."


def test_the_agent_takes_the_branch_that_fits_what_came_back(script: Script) -> None:
    missing = observed("count: No such file\n\n(Command exited with code 1)")
    step = agent_says(script, user_message("go"), missing)
    assert isinstance(step, dict)
    assert set(step) == {"path", "content"}
    assert step["path"] in {"a.txt", "b.txt"}


def test_the_agent_admits_a_failure_that_no_branch_mends(script: Script) -> None:
    broken = observed("segmentation fault\n\n(Command exited with code 139)")
    assert agent_says(script, user_message("go"), broken) == "It failed: segmentation fault"


@pytest.mark.parametrize(
    ("effect", "failed"),
    [
        ({"exit_code": 0, "stdout": b"total 9"}, False),
        (
            {"exit_code": 0, "stdout": b'total 9\nit said (Command exited with code 1)\n{"status": "error"}'},
            False,
        ),
        ({"exit_code": 1, "stdout": b"total 9"}, True),
        ({"signal": 9, "stdout": b"total 9"}, True),
        ({"limit": "output", "stdout": b"total 9"}, True),
        ({"limit": "memory", "stdout": b"total 9\n"}, True),
        ({"timed_out": True, "stdout": b"total 9"}, True),
    ],
)
def test_how_a_command_ended_is_told_by_the_closing_line_alone(
    script: Script, effect: dict[str, Any], failed: bool
) -> None:
    fields: dict[str, Any] = {"action": "exec", "cwd": "/workspace", "started_at": NOON, "duration_ms": 1.0}
    fields["stdout_total_bytes"] = len(effect["stdout"])
    said = agent_says(script, user_message("go"), observed(exec_text(Effect(**fields | effect), 0.25)))
    assert said == ("It failed: total 9" if failed else "There are 9 lines.")


def test_a_tools_error_is_a_failure(script: Script) -> None:
    refused = observed(error_text("exec", "ENOENT: total 9"))
    assert str(agent_says(script, user_message("go"), refused)).startswith("It failed: ")


def test_the_agent_claims_nothing_that_it_did_not_observe(script: Script) -> None:
    said = str(agent_says(script, user_message("go"), observed("done")))
    assert said.endswith("done")
    assert "total" not in said
    assert "failed" not in said, "the call did not fail"


def test_the_same_messages_give_the_same_call_with_the_same_id(script: Script) -> None:
    first = ScriptedAgent(script).complete([user_message("go")])
    assert first == ScriptedAgent(script).complete([user_message("go")])


def user_reply(script: Script, *evidences: Evidence) -> dict[str, object]:
    messages = [ChatMessage(role=Role.SYSTEM, content="s"), user_message("open")]
    for evidence in evidences:
        messages.append(ChatMessage(role=Role.ASSISTANT, content="said"))
        messages.append(user_message(f"ok\n\n<evidence>\n{evidence.model_dump_json()}\n</evidence>"))
    reply: dict[str, object] = json.loads(ScriptedUser(script).complete(messages).content)
    return reply


def call(exit_code: int) -> EvidenceCall:
    return EvidenceCall(tool="exec", summary="make all", exit_code=exit_code, failed=exit_code != 0)


def test_the_user_points_at_a_turn_that_ended_in_failure(script: Script) -> None:
    query = str(user_reply(script, Evidence(calls=(call(2),)))["query"])
    assert "make all" in query or "2" in query


def test_the_user_is_done_and_content_when_every_turn_ended_well(script: Script) -> None:
    good = Evidence(calls=(call(1), call(0)))
    reply = user_reply(script, good, good)
    assert (reply["completed"], reply["is_success"]) == (True, True)


def test_the_user_is_done_but_not_content_when_a_turn_stayed_failed(script: Script) -> None:
    reply = user_reply(script, Evidence(calls=(call(2),)), Evidence(calls=(call(0),)))
    assert (reply["completed"], reply["is_success"]) == (True, False)


def test_the_user_is_not_content_where_nothing_was_looked_at_in_the_double_check(script: Script) -> None:
    reply = user_reply(script, Evidence(calls=(call(0),)), Evidence())
    assert (reply["completed"], reply["is_success"]) == (True, False)


def test_an_intent_whose_tasks_have_no_playbook_is_refused_with_the_mend() -> None:
    with pytest.raises(ModelError, match="another provider"):
        write_script(make_intent(task_ids=("unheard-of",)), build.script_library(), seed=1)
