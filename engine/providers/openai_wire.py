"""The chat format of OpenAI-compatible endpoints: requests as they want them, answers as they come."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from engine.schema.chat import ChatMessage, Completion, Role, ToolCallRequest, ToolSchema
from engine.schema.text import ForeignText, well_formed

_MAX_TOKENS = 10**12
"""More than any call can take, and a million such counts still fit into 64 bits."""


def _as_count(value: object) -> int:
    """A token count as far as it makes sense: a wrong one must not spoil the answer that it stands beside."""
    if not isinstance(value, int | float) or (isinstance(value, float) and math.isnan(value)):
        return 0
    return int(min(max(0, value), _MAX_TOKENS))


_Count = Annotated[int, BeforeValidator(_as_count)]


class _Lenient(BaseModel):
    """Foreign JSON: what we need of it, whatever else it holds."""

    model_config = ConfigDict(extra="ignore")


def _as_text(value: object) -> object:
    """Numbers as some servers write ids and reasons, the texts of a message in parts, and false for none."""
    if value is False:
        return None
    if isinstance(value, int) and value is not True:
        return str(value)
    if isinstance(value, list):
        return "".join(p["text"] for p in value if isinstance(p, dict) and isinstance(p.get("text"), str))
    return value


_Text = Annotated[ForeignText | None, BeforeValidator(_as_text)]


class _Function(_Lenient):
    name: ForeignText
    arguments: Any = ""


class _ToolCall(_Lenient):
    id: _Text = ""
    function: _Function


class _Message(_Lenient):
    content: _Text = None
    reasoning_content: _Text = None
    reasoning: _Text = None
    refusal: _Text = None
    # The first wrong call is enough: a message of millions would give millions of errors.
    tool_calls: Annotated[list[_ToolCall], Field(fail_fast=True)] | None = None


class _Choice(_Lenient):
    message: _Message
    finish_reason: _Text = None


class _PromptDetails(_Lenient):
    cached_tokens: _Count = 0


def _as_details(value: object) -> object:
    return value if isinstance(value, dict) else {}


class _Usage(_Lenient):
    prompt_tokens: _Count = 0
    completion_tokens: _Count = 0
    prompt_tokens_details: Annotated[_PromptDetails, BeforeValidator(_as_details)] = _PromptDetails()


class Tokens(NamedTuple):
    """The tokens that a response says it took; `cached` are among those of the prompt."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0


class Answer(NamedTuple):
    """What one response held: a completion or what is wrong, and the tokens that it says it took."""

    completion: Completion | None
    problem: str
    tokens: Tokens = Tokens()
    finish_reason: str | None = None


def read_answer(body: bytes) -> Answer:
    """The answer in a response's body, whatever it is made of. A problem may be of any length."""
    tokens = Tokens()
    raw: object = None
    try:
        raw = json.loads(body)
        tokens = _tokens_in(raw)
        choices = raw["choices"] if isinstance(raw, dict) else None
        if choices == []:
            return Answer(None, "the answer was empty", tokens)
        completion = _completion(_Choice.model_validate(choices[0])) if isinstance(choices, list) else None
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors(include_input=False)[0]["loc"])
        return Answer(None, _error_in(raw) or f"the answer was no chat completion (see its {where})", tokens)
    except (KeyError, ValueError, RecursionError):  # no JSON, no text, or nested beyond all measure
        completion = None
    if completion is None:
        return Answer(None, _error_in(raw) or "the answer was no chat completion", tokens)
    reason = completion.finish_reason
    if not (completion.tool_calls or completion.content.strip()):
        said = "" if reason == "stop" else f" (finish reason {reason})"
        return Answer(None, f"the answer was empty{said}", tokens, reason)
    return Answer(completion, "", tokens, reason)


def _tokens_in(raw: object) -> Tokens:
    found = raw.get("usage") if isinstance(raw, dict) else None
    usage = _Usage.model_validate(found if isinstance(found, dict) else {})
    return Tokens(usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens)


def _error_in(raw: object) -> str:
    """The error that some servers send with status 200 in the place of an answer."""
    error = raw.get("error") if isinstance(raw, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return f"the answer was an error: {message}" if message else ""


def _completion(choice: _Choice) -> Completion:
    message = choice.message
    thought, content = split_thought(message.content or "")
    refused = bool(message.refusal and not content.strip() and not message.tool_calls)
    parts = (message.reasoning_content or message.reasoning, thought)
    return Completion(
        content=(message.refusal or "") if refused else content,
        reasoning="\n\n".join(part for part in parts if part) or None,
        tool_calls=tuple(_tool_call(c) for c in message.tool_calls or ()),
        finish_reason="refusal" if refused else choice.finish_reason or "stop",
    )


def split_thought(content: str) -> tuple[str, str]:
    """Reasoning that a model put before its answer, and the answer.

    It stands in <think> tags; the first may be missing, where the server's template had written it already.
    """
    begun = content.lstrip()
    if begun.startswith("<think>"):
        thought, _, rest = begun.removeprefix("<think>").partition("</think>")
    elif "<think>" not in content and "</think>\n" in content:
        thought, _, rest = content.partition("</think>\n")
    else:
        return "", content
    return thought.strip(), rest.lstrip("\n")


def _tool_call(call: _ToolCall) -> ToolCallRequest:
    arguments = "" if call.function.arguments is None else call.function.arguments
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCallRequest(id=call.id or "", name=call.function.name, arguments=well_formed(text))


def request_body(
    messages: Sequence[ChatMessage],
    tools: Sequence[ToolSchema],
    response_schema: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The request but for the model's name and its parameters."""
    body: dict[str, Any] = {"messages": [_message(m) for m in messages]}
    if tools:
        body["tools"] = [{"type": "function", "function": t.model_dump(mode="json")} for t in tools]
    if response_schema:
        schema = {"name": "reply", "schema": dict(response_schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _message(message: ChatMessage) -> dict[str, Any]:
    """A message in the wire's shape. Reasoning is not sent back: endpoints differ in what they accept."""
    wire: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in message.tool_calls
        ]
    if message.role is Role.TOOL:
        wire["tool_call_id"] = message.tool_call_id
    return wire
