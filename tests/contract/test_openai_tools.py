"""Tools for models and servers that have none: told of in words, called by JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from engine.errors import ModelError
from engine.providers.openai_chat import OpenAIChat
from engine.providers.openai_line import Line
from engine.schema.chat import ChatMessage, Completion, Role, ToolCallRequest, ToolSchema
from engine.schema.project import EndpointSettings, ToolMode
from engine.schema.request import SentTools
from tests.chat_server import Answerer, Reply, chat_server, completion, refusal, tool_call

EXEC = ToolSchema(
    name="exec",
    description="Runs a command.",
    parameters={
        "type": "object",
        "properties": {"command": {"type": "string"}},
        "required": ["command"],
    },
)
ASKED = [
    ChatMessage(role=Role.SYSTEM, content="You are an agent."),
    ChatMessage(role=Role.USER, content="list the files"),
]
CALL = '{"tool": "exec", "arguments": {"command": "ls"}}'


def ask(
    answer: Answerer,
    messages: Sequence[ChatMessage] = ASKED,
    *,
    n: int = 1,
    mode: ToolMode = ToolMode.AUTO,
    **changes: Any,
) -> tuple[Completion, list[dict[str, Any]], OpenAIChat]:
    """The last of n answers, all requests, and the model."""
    with chat_server(answer) as server:
        settings = EndpointSettings(base_url=server.base_url, tools=mode, **{"max_retries": 0, **changes})
        model = OpenAIChat(settings, "m", seed=3)
        answers = [model.complete(messages, tools=[EXEC]) for _ in range(n)]
    return answers[-1], server.requests, model


def says(content: str, **more: Any) -> Answerer:
    return lambda *_: completion({"content": content}, **more)


@pytest.mark.parametrize(
    "content",
    [
        CALL,
        f"```json\n{CALL}\n```",
        '{"name": "exec", "arguments": {"command": "ls"}}',
        '{{"name": "exec", "arguments": {"command": "ls"}}}\n\n\n\n',
        '{"name": "exec", "parameters": {"command": "ls"}}',
        "{'tool': 'exec', 'arguments': {'command': 'ls'},}",
    ],
)
def test_a_call_that_is_written_as_json_is_an_ordinary_call(content: str) -> None:
    answer, requests, _ = ask(says(content), mode=ToolMode.JSON)
    (call,) = answer.tool_calls
    assert (call.id, call.name, json.loads(call.arguments)) == ("call_0", "exec", {"command": "ls"})
    assert (answer.content, answer.raw) == ("", content)
    assert "tools" not in requests[0]


def test_the_request_tells_of_the_tools_and_binds_the_reply() -> None:
    _, (request,), model = ask(says('{"answer": "none"}'), mode=ToolMode.JSON)
    system = request["messages"][0]["content"]
    assert system.startswith("You are an agent.")
    assert '"name":"exec"' in system
    schema = request["response_format"]["json_schema"]["schema"]
    assert [sorted(option["properties"]) for option in schema["anyOf"]] == [["arguments", "tool"], ["answer"]]
    assert model.info.parameters["tools"] == "json"
    assert model.info.parameters["tools_prompt"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [('{"answer": "It is done."}', "It is done."), ("It is done.", "It is done."), ('{"x": 1}', '{"x": 1}')],
)
def test_an_answer_is_the_models_words(content: str, expected: str) -> None:
    answer, _, _ = ask(says(content), mode=ToolMode.JSON)
    assert (answer.content, answer.tool_calls) == (expected, ())


def test_an_answer_of_nothing_is_asked_for_again_then_named() -> None:
    with pytest.raises(ModelError, match="the answer was empty, 3 times"):
        ask(says('{"answer": " "}'), mode=ToolMode.JSON)


def test_a_call_that_is_cut_off_is_not_done_by_half() -> None:
    content = '{"tool": "exec", "arguments": {"command": "rm -rf /workspace/a'
    answer, _, _ = ask(says(content, finish_reason="length"), mode=ToolMode.JSON)
    (call,) = answer.tool_calls
    assert call.name == "exec"
    assert call.arguments == '{"command": "rm -rf /workspace/a'


def test_results_go_back_as_messages_that_name_the_tool() -> None:
    calls = tuple(
        ToolCallRequest(id=i, name="exec", arguments=a) for i, a in (("a", '{"x":1}'), ("b", "{no"))
    )
    played = [
        *ASKED,
        ChatMessage(role=Role.ASSISTANT, content="Two things.", tool_calls=calls),
        ChatMessage(role=Role.TOOL, content="one", tool_call_id="a"),
        ChatMessage(role=Role.TOOL, content="two", tool_call_id="b"),
        ChatMessage(role=Role.ASSISTANT, content="Done."),
        ChatMessage(role=Role.USER, content="thanks"),
    ]
    answer, (request,), _ = ask(says(CALL), played, mode=ToolMode.JSON)
    assert [(m["role"], m["content"]) for m in request["messages"][2:]] == [
        ("assistant", 'Two things.\n{"tool": "exec", "arguments": {"x": 1}}'),
        ("user", "RESULT OF exec:\none"),
        ("assistant", '{"tool": "exec", "arguments": {no}'),
        ("user", "RESULT OF exec:\ntwo"),
        ("assistant", '{"answer": "Done."}'),
        ("user", "thanks"),
    ]
    assert answer.tool_calls[0].id == "call_2"


@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_a_server_that_refuses_tools_is_asked_in_words_from_then_on(status: int) -> None:
    def answer(request: dict[str, Any], _: int) -> Reply:
        return refusal("tools", status) if "tools" in request else completion({"content": CALL})

    last, requests, model = ask(answer, n=2)
    assert last.tool_calls
    assert ["tools" in r for r in requests] == [True, False, False]
    assert model.sent_tools is SentTools.JSON


def test_a_server_that_refuses_tools_and_schemas_is_asked_with_neither() -> None:
    def answer(request: dict[str, Any], _: int) -> Reply:
        if "tools" in request or "response_format" in request:
            return refusal("this")
        return completion({"content": f"I will look. {CALL}"})

    last, requests, model = ask(answer, n=2)
    assert (last.content, last.tool_calls[0].name) == ("I will look.", "exec")
    assert [sorted({"tools", "response_format"} & r.keys()) for r in requests] == [
        ["tools"],
        ["response_format"],
        [],
        [],
    ]
    assert not model.binds_schema


def test_a_request_that_is_refused_in_every_shape_is_named_as_it_was_refused_first() -> None:
    def answer(request: dict[str, Any], _: int) -> Reply:
        return refusal("such a long chat" if "tools" in request else "it all the same")

    with chat_server(answer) as server:
        model = OpenAIChat(EndpointSettings(base_url=server.base_url), "m", seed=3)
        with pytest.raises(ModelError, match="such a long chat is not supported"):
            model.complete(ASKED, tools=[EXEC])
    assert model.sent_tools is SentTools.NATIVE


def test_a_model_that_writes_its_calls_as_text_is_understood_and_asked_in_words_from_then_on() -> None:
    bare = '{{"name": "exec", "arguments": {"command": "ls"}}}\n\n\n'
    last, requests, _ = ask(lambda _, n: completion({"content": CALL if n else bare}), n=2)
    assert last.tool_calls
    assert ["tools" in r for r in requests] == [True, False]


def test_where_native_calls_work_json_in_an_answer_is_an_answer() -> None:
    def answer(_: dict[str, Any], number: int) -> Reply:
        return completion({"content": CALL}) if number else tool_call("exec", '{"command": "ls"}')

    last, requests, _ = ask(answer, n=2)
    assert (last.content, last.tool_calls) == (CALL, ())
    assert all("tools" in r for r in requests)


@pytest.mark.parametrize("content", ['{"tool": "fly", "arguments": {}}', '{"answer": "x"}', "no"])
def test_text_that_calls_no_offered_tool_stays_text(content: str) -> None:
    answer, _, model = ask(says(content))
    assert (answer.content, answer.tool_calls) == (content, ())
    assert model.sent_tools is SentTools.NATIVE


def test_native_means_native() -> None:
    with pytest.raises(ModelError, match="tools is not supported"):
        ask(lambda *_: refusal("tools"), mode=ToolMode.NATIVE)
    answer, _, _ = ask(says(CALL), mode=ToolMode.NATIVE)
    assert (answer.content, answer.tool_calls) == (CALL, ())


def test_what_one_model_of_a_line_learnt_the_next_one_knows() -> None:
    def answer(request: dict[str, Any], _: int) -> Reply:
        return refusal("tools") if "tools" in request else completion({"content": CALL})

    with chat_server(answer) as server:
        line = Line(EndpointSettings(base_url=server.base_url))
        for _ in range(2):
            OpenAIChat(line, "m", seed=3).complete(ASKED, tools=[EXEC])
        OpenAIChat(line, "other", seed=3).complete(ASKED, tools=[EXEC])
    assert ["tools" in r for r in server.requests] == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("message", "reasoning", "content"),
    [
        ({"content": "<think>\nfirst this\n</think>\n\nthen that"}, "first this", "then that"),
        ({"content": "first this\n</think>\nthen that"}, "first this", "then that"),
        ({"content": "<think>\n\n</think>\n\nthen that"}, None, "then that"),
        ({"content": "the tag </think> ends it"}, None, "the tag </think> ends it"),
        ({"content": "that", "reasoning_content": "this"}, "this", "that"),
        ({"content": "<think>b</think>that", "reasoning": "a"}, "a\n\nb", "that"),
    ],
)
def test_reasoning_is_kept_apart_from_the_answer(
    message: dict[str, str], reasoning: str | None, content: str
) -> None:
    answer, _, _ = ask(lambda *_: completion(message))
    assert (answer.reasoning, answer.content) == (reasoning, content)


def test_reasoning_without_an_answer_is_an_empty_answer() -> None:
    with pytest.raises(ModelError, match=r"the answer was empty \(finish reason length\), 3 times"):
        ask(lambda *_: completion({"content": "<think>on and on"}, finish_reason="length"))


def test_a_refusal_is_the_answer_and_its_finish_reason_says_so() -> None:
    answer, _, _ = ask(lambda *_: completion({"content": None, "refusal": "I cannot do that."}))
    assert (answer.content, answer.finish_reason) == ("I cannot do that.", "refusal")


def test_an_endpoint_that_wants_the_newer_name_of_max_tokens_gets_it() -> None:
    def answer(request: dict[str, Any], _: int) -> Reply:
        if "max_tokens" in request:
            return refusal("max_tokens (use max_completion_tokens)")
        return completion({"content": "short"})

    _, requests, _ = ask(answer, n=2, max_tokens=50)
    assert [r.get("max_completion_tokens") for r in requests] == [None, 50, 50]
    assert all("tools" in r for r in requests)
