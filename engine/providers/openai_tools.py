"""Tools for models that cannot call them natively: described in words, called by a JSON object.

A call is `{"tool": NAME, "arguments": {...}}`, an answer `{"answer": TEXT}`. What the tool gave goes back as
a user message that begins with `RESULT OF NAME:`. Models write the same in other words too, which are read
all the same: `{"name": ..., "arguments": ...}`, with a fence, in prose, in doubled braces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.prompts import render_prompt
from engine.replies import Objects, read_objects
from engine.schema.chat import ChatMessage, Completion, Role, ToolCallRequest, ToolSchema
from engine.schema.text import well_formed

PROMPT = "tools_as_json"
_NAMES = ("tool", "name")
_ARGUMENTS = ("arguments", "parameters")
_WRAPPINGS = ("<tool_call>", "```json", "```")


class _Call(NamedTuple):
    name: str
    arguments: str


def reply_schema(tools: Sequence[ToolSchema]) -> dict[str, Any]:
    """The JSON schema of a reply: a call of one of the tools, or an answer."""
    calls = [_object(tool={"const": t.name}, arguments=dict(t.parameters)) for t in tools]
    return {"anyOf": [*calls, _object(answer={"type": "string"})]}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def told_in_words(messages: Sequence[ChatMessage], tools: Sequence[ToolSchema]) -> list[ChatMessage]:
    """The chat for a model that is told of its tools in the system prompt; no message holds a native call."""
    told = render_prompt(PROMPT, tools="\n".join(t.model_dump_json() for t in tools))
    first, *rest = messages if messages and messages[0].role is Role.SYSTEM else (None, *messages)
    system = f"{first.content}\n\n{told}" if first else told
    return [ChatMessage(role=Role.SYSTEM, content=system), *_in_words(m for m in rest if m)]


def _in_words(messages: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
    """Each call is followed by its result, also where one message made several."""
    open_calls: dict[str, tuple[str, ToolCallRequest]] = {}
    for message in messages:
        if message.role is Role.TOOL:
            said, call = open_calls.pop(message.tool_call_id or "", ("", None))
            if call:
                yield ChatMessage(role=Role.ASSISTANT, content=said + _call_text(call))
            name = call.name if call else "a tool"
            yield ChatMessage(role=Role.USER, content=f"RESULT OF {name}:\n{message.content}")
        elif message.role is Role.ASSISTANT and message.tool_calls:
            said = f"{message.content}\n" if message.content.strip() else ""
            open_calls = {c.id: ("" if i else said, c) for i, c in enumerate(message.tool_calls)}
        elif message.role is Role.ASSISTANT:
            answer = json.dumps({"answer": message.content}, ensure_ascii=False)
            yield ChatMessage(role=Role.ASSISTANT, content=answer)
        else:
            yield message


def _call_text(call: ToolCallRequest) -> str:
    """The call as the model was asked to write it; arguments that are no JSON stay as they are."""
    try:
        arguments = json.dumps(json.loads(call.arguments), ensure_ascii=False)
    except (ValueError, RecursionError):
        arguments = call.arguments
    return f'{{"tool": {json.dumps(call.name, ensure_ascii=False)}, "arguments": {arguments}}}'


def read_reply(completion: Completion, call_id: str) -> Completion:
    """What a model means that was told of its tools in words: a call, or an answer to the user.

    A call whose JSON is cut off keeps its arguments as the raw text, so that it is refused and not done by
    half. A reply that is neither is an answer in its own words.
    """
    text = completion.content
    objects = read_objects(text)
    if call := _whole_call(objects) or _cut_call(objects, text):
        return _with_call(completion, call, call_id)
    answer = (objects.found or {}).get("answer")
    if isinstance(answer, str):
        return completion.model_copy(update={"content": well_formed(answer), "raw": text})
    return completion


def read_bare_call(completion: Completion, tools: Sequence[ToolSchema], call_id: str) -> Completion | None:
    """The completion with the call of an offered tool that its text holds; None where it holds none."""
    call = _whole_call(read_objects(completion.content))
    if call is None or call.name not in {t.name for t in tools}:
        return None
    return _with_call(completion, call, call_id)


def _with_call(completion: Completion, call: _Call, call_id: str) -> Completion:
    text = completion.content
    said = text[: text.find("{")].rstrip()
    for wrapping in _WRAPPINGS:
        said = said.removesuffix(wrapping).rstrip()
    request = ToolCallRequest(id=call_id, name=call.name, arguments=call.arguments)
    return completion.model_copy(update={"content": said, "tool_calls": (request,), "raw": text})


def _whole_call(objects: Objects) -> _Call | None:
    found = objects.whole or {}
    name, arguments = _first(found, _NAMES), _first(found, _ARGUMENTS)
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        return None
    return _Call(well_formed(name), well_formed(json.dumps(arguments, ensure_ascii=False)))


def _cut_call(objects: Objects, text: str) -> _Call | None:
    """A call without its end: what there is of its arguments, which is no JSON."""
    found = (None if objects.whole else objects.found) or {}
    name = _first(found, _NAMES)
    if not isinstance(name, str) or _first(found, _ARGUMENTS) is None:
        return None
    starts = [at for key in _ARGUMENTS if (at := text.find(f'"{key}"')) >= 0]
    _, _, rest = text[min(starts, default=0) :].partition(":")
    return _Call(well_formed(name), rest.strip() or text)


def _first(found: Mapping[str, Any], keys: Sequence[str]) -> Any:  # noqa: ANN401 (any JSON value)
    return next((found[key] for key in keys if key in found), None)
