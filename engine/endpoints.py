"""Tries a model's endpoint as a run would use it, and says what works, what does not and how to mend it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from engine import build
from engine.errors import InputError, StudioError, one_line
from engine.providers.openai_chat import OpenAIChat
from engine.providers.openai_line import Line
from engine.replies import read_json_object
from engine.schema.base import Record
from engine.schema.chat import ChatMessage, Role, ToolSchema
from engine.schema.project import DEFAULT_ENDPOINT, EndpointSettings, ProjectSettings, ToolMode
from engine.schema.request import SentTools

TIMEOUT_S = 60.0
_MAX_LISTED = 200
_SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string"}},
    "required": ["colour"],
    "additionalProperties": False,
}
_TOOL = ToolSchema(
    name="note",
    description="Writes a word down.",
    parameters={
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
        "additionalProperties": False,
    },
)


class EndpointCheck(Record):
    """One thing that was tried at an endpoint."""

    name: str
    """"key", "models", "chat", "json" or "tools"."""
    ok: bool
    detail: str
    """What came of it, one line; never the key."""
    mend: str = ""
    """What to do, where it is not ok."""
    latency_s: float | None = None
    """None where nothing was sent."""


class EndpointReport(Record):
    """What an endpoint can do for one of its models."""

    provider: str
    model: str
    endpoint_name: str
    base_url: str
    ok: bool
    """True when the model can play user and agent: it answers, its JSON and its tool calls are understood."""
    can_judge: bool
    """True when it can judge and realise: it answers, and its JSON is understood."""
    tools: SentTools
    """How a run will offer the model its tools; `none` where no call was understood."""
    binds_schema: bool
    """Whether answers can be bound to a JSON schema; without it they are read as they come."""
    priced: bool
    """Whether cost can be counted and a budget kept."""
    models: tuple[str, ...] = ()
    """What the endpoint says it has, at most 200."""
    checks: tuple[EndpointCheck, ...]


class _Tried(NamedTuple):
    """What a check found, without its time."""

    ok: bool
    detail: str
    mend: str = ""


def default_provider(settings: ProjectSettings) -> str:
    """The first of the project's agent, user, realiser and judge that is a model behind an endpoint.

    Raises:
        InputError: All of them are scripted.
    """
    roles = (settings.agent, settings.user, settings.realizer, settings.judge)
    for provider in roles:
        if provider != build.SCRIPTED:
            return provider
    raise InputError("the project uses no model: name a provider, such as openai:MODEL")


def try_endpoint(
    settings: ProjectSettings, provider: str | None = None, *, timeout_s: float = TIMEOUT_S
) -> EndpointReport:
    """What works at a provider's endpoint: its list of models, a chat, JSON output, a tool call.

    Args:
        settings: The project's.
        provider: "openai:MODEL" or "openai:MODEL@ENDPOINT"; None takes `default_provider`.
        timeout_s: Wall time of each thing that is tried.

    Raises:
        InputError: The provider is scripted, unknown or names no endpoint of the project.
    """
    text = provider or default_provider(settings)
    kind = build.parse_provider(text)
    if kind.name == build.SCRIPTED:
        raise InputError("the scripted provider has no endpoint: name an openai:MODEL")
    endpoint = build.endpoint_of(kind, settings).model_copy(update={"max_retries": 1})
    trial = _Trial(endpoint, kind, timeout_s)
    checks = trial.run()
    return EndpointReport(
        provider=text,
        model=kind.model,
        endpoint_name=kind.endpoint,
        base_url=endpoint.base_url,
        ok=all(c.ok for c in checks if c.name != "models"),
        can_judge={c.name for c in checks if c.ok} >= {"chat", "json"},
        tools=trial.tools,
        binds_schema=trial.binds_schema,
        priced=settings.price_of(kind.model, kind.endpoint) is not None,
        models=trial.models,
        checks=tuple(checks),
    )


class _Trial:
    """The checks of one model, each on what the ones before it found."""

    def __init__(self, endpoint: EndpointSettings, provider: build.Provider, timeout_s: float) -> None:
        self._endpoint, self._provider, self._timeout_s = endpoint, provider, timeout_s
        self.tools = SentTools.NONE
        self.binds_schema = False
        self.models: tuple[str, ...] = ()

    def run(self) -> list[EndpointCheck]:
        """The checks in order; where no chat comes, the rest is not tried."""
        try:
            line = Line(self._endpoint, self._provider.endpoint)
        except InputError as error:
            mend = f"export {self._endpoint.api_key_env}=... before the studio or the command is started"
            return [EndpointCheck(name="key", ok=False, detail=str(error), mend=mend)]
        model = OpenAIChat(line, self._provider.model, seed=1)
        checks = [EndpointCheck(name="key", ok=True, detail=f"taken from {self._endpoint.api_key_env}")]
        if not line.sends_key:
            checks = [EndpointCheck(name="key", ok=True, detail="a local endpoint needs none")]
        checks.append(_timed("models", lambda: self._models(line)))
        checks.append(_timed("chat", lambda: self._chat(model)))
        if checks[-1].ok:
            checks.append(_timed("json", lambda: self._json(model)))
            checks.append(_timed("tools", lambda: self._tools(model, line)))
        return checks

    def _models(self, line: Line) -> _Tried:
        names = line.list_models(self._timeout_s)
        self.models = names[:_MAX_LISTED]
        if self._provider.model in names:
            return _Tried(True, f"{len(names)} models, {self._provider.model} among them")
        some = one_line(", ".join(names[:5]), 160)
        return _Tried(
            False,
            f"{len(names)} models, {one_line(self._provider.model, 80)} not among them",
            f"name one that is there: {some}" if names else "load a model into the server",
        )

    def _chat(self, model: OpenAIChat) -> _Tried:
        answer = model.complete([_says("Answer with the one word: ready")], timeout_s=self._timeout_s)
        return _Tried(True, f"it answers: {one_line(answer.content, 60)!r}")

    def _json(self, model: OpenAIChat) -> _Tried:
        ask = 'Name the colour of snow as a JSON object: {"colour": "..."}'
        answer = model.complete([_says(ask)], response_schema=_SCHEMA, timeout_s=self._timeout_s)
        self.binds_schema = model.binds_schema
        found = read_json_object(answer.content) or {}
        how = "bound to a JSON schema" if self.binds_schema else "not bound to a schema, which it refuses"
        if isinstance(found.get("colour"), str):
            return _Tried(True, f"the object that was asked for, {how}")
        mend = "take a model that follows instructions better; a user model must answer with JSON"
        return _Tried(False, f"no such object, {how}: {one_line(answer.content, 60)!r}", mend)

    def _tools(self, model: OpenAIChat, line: Line) -> _Tried:
        if self._calls(model):
            self.tools = model.sent_tools
            return _Tried(True, f"it called the tool, {_HOW[self.tools]}")
        if self._endpoint.tools is ToolMode.AUTO:
            in_words = self._endpoint.model_copy(update={"tools": ToolMode.JSON})
            if self._calls(OpenAIChat(Line(in_words, line.name), self._provider.model, seed=1)):
                table = "endpoint" if line.name == DEFAULT_ENDPOINT else f"endpoints.{line.name}"
                return _Tried(False, "it calls only as JSON", f'set tools = "json" under [{table}]')
        return _Tried(
            False,
            "it answered without calling the tool",
            "take another model as the agent: this one calls none",
        )

    def _calls(self, model: OpenAIChat) -> bool:
        """True when the model calls the one tool that it has, as it is asked to."""
        messages = [
            ChatMessage(role=Role.SYSTEM, content="You are an agent with tools. Use them."),
            _says("Use the tool note to write down the word: ready"),
        ]
        answer = model.complete(messages, tools=[_TOOL], timeout_s=self._timeout_s)
        return any(call.name == _TOOL.name for call in answer.tool_calls)


_HOW = {
    SentTools.NATIVE: "natively",
    SentTools.JSON: "described in the system prompt and called by a JSON object",
    SentTools.NONE: "",
}


def _says(text: str) -> ChatMessage:
    return ChatMessage(role=Role.USER, content=text)


def _timed(name: str, check: Callable[[], _Tried]) -> EndpointCheck:
    """The check's finding with its time; an endpoint's failure is one."""
    began = time.monotonic()
    try:
        tried = check()
    except StudioError as error:
        tried = _Tried(False, one_line(error), _mend(str(error)))
    return EndpointCheck(
        name=name,
        ok=tried.ok,
        detail=tried.detail,
        mend=tried.mend,
        latency_s=round(time.monotonic() - began, 3),
    )


_MENDS = (
    ("HTTP 3", "set base_url to where it points, if you trust that host"),
    ("HTTP 401", "check the key in the environment"),
    ("HTTP 403", "check what the key may do"),
    ("HTTP 404", "check base_url, which mostly ends in /v1, and the model's name"),
    ("HTTP 429", "wait, or set requests_per_minute and tokens_per_minute"),
    ("HTTP 4", 'it refuses a part of the request, as it says; tools can be set to "json"'),
    ("Connection error", "start the server, or check base_url"),
    ("no answer within", "the server may still be loading the model: try again, or look at its log"),
)


def _mend(problem: str) -> str:
    return next((mend for sign, mend in _MENDS if sign in problem), "look at the server's own log")
