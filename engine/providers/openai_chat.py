"""The `openai` provider: any OpenAI-compatible endpoint, through the openai client."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import InputError, ModelError, one_line
from engine.schema.chat import ChatMessage, Completion, ModelInfo, Role, ToolCallRequest, ToolSchema, Usage
from engine.schema.project import EndpointSettings

if TYPE_CHECKING:
    from openai import OpenAI

_ANSWER_TRIES = 3
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_JSON_MODE_REFUSED = {400, 404, 415, 422}


class _Lenient(BaseModel):
    """Foreign JSON: what we need of it, whatever else it holds."""

    model_config = ConfigDict(extra="ignore")


class _Function(_Lenient):
    name: str
    arguments: str | dict[str, Any] | None = ""


class _ToolCall(_Lenient):
    id: str | None = ""
    function: _Function


class _Message(_Lenient):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(_Lenient):
    message: _Message
    finish_reason: str | None = None


class _Usage(_Lenient):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Answer(_Lenient):
    choices: list[_Choice]
    usage: _Usage | None = None


def api_key(settings: EndpointSettings) -> str:
    """The key from the environment; a placeholder for a loopback endpoint, which needs none.

    Raises:
        InputError: A remote endpoint and no key in the environment.
    """
    if key := os.environ.get(settings.api_key_env):
        return key
    if urlsplit(settings.base_url).hostname in _LOOPBACK:
        return "none"
    raise InputError(
        f"no key for {settings.base_url}: set the environment variable {settings.api_key_env}, "
        "or another base_url under [endpoint] in project.toml"
    )


class OpenAIChat:
    """A chat model behind an OpenAI-compatible endpoint. Safe to use from several threads."""

    def __init__(self, settings: EndpointSettings, model: str, *, seed: int) -> None:
        """Args: the endpoint, the model's name there, and the sampling seed that is sent along.

        Raises:
            InputError: No key for a remote endpoint.
        """
        self._settings = settings
        self._model = model
        self._key = api_key(settings)
        self._parameters: dict[str, Any] = {"seed": seed}
        if settings.temperature is not None:
            self._parameters["temperature"] = settings.temperature
        self._client: OpenAI | None = None
        self._json_schema_refused = False

    @property
    def info(self) -> ModelInfo:
        """Provider, model, endpoint (no path, no key) and sampling parameters."""
        parts = urlsplit(self._settings.base_url)
        port = f":{parts.port}" if parts.port else ""
        endpoint = f"{parts.scheme}://{parts.hostname}{port}"
        return ModelInfo(
            provider="openai", model=self._model, endpoint=endpoint, parameters=dict(self._parameters)
        )

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[ToolSchema] = (),
        response_schema: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> Completion:
        """The model's next message; see `engine.ports.ChatModel`.

        The client itself retries 429, 5xx and time-outs with back-off; an answer that is broken or empty
        is asked for again, up to three times in all.
        """
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [_message(m) for m in messages],
            **self._parameters,
        }
        if tools:
            request["tools"] = [{"type": "function", "function": t.model_dump(mode="json")} for t in tools]
        if response_schema and not self._json_schema_refused:
            schema = {"name": "reply", "schema": dict(response_schema), "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        began = time.monotonic()
        problem = ""
        for _ in range(_ANSWER_TRIES):
            answer = self._ask(request, timeout_s)
            if isinstance(answer, str):
                problem = answer
                continue
            return self._completion(answer, time.monotonic() - began)
        raise ModelError(f"{self._model} at {self.info.endpoint}: {problem}, {_ANSWER_TRIES} times")

    def _ask(self, request: dict[str, Any], timeout_s: float) -> _Answer | str:
        """One answer, or what is wrong with it where asking again may help."""
        import openai

        try:
            raw = self._connect().chat.completions.with_raw_response.create(**request, timeout=timeout_s)
            answer = _Answer.model_validate(json.loads(raw.http_response.content))
        except (json.JSONDecodeError, UnicodeDecodeError, ValidationError):
            return "the answer was no chat completion"
        except openai.APIStatusError as error:
            if "response_format" in request and error.status_code in _JSON_MODE_REFUSED:
                del request["response_format"]
                self._json_schema_refused = True
                return "the endpoint refuses JSON-schema output"
            raise ModelError(self._explain(f"HTTP {error.status_code}: {error.message}")) from error
        except openai.APITimeoutError as error:
            raise ModelError(self._explain(f"no answer within {timeout_s:g} s")) from error
        except openai.OpenAIError as error:
            raise ModelError(self._explain(str(error))) from error
        if not answer.choices or _is_empty(answer.choices[0].message):
            return "the answer was empty"
        return answer

    def _explain(self, problem: str) -> str:
        return one_line(f"{self._model} at {self.info.endpoint}: {problem}".replace(self._key, "***"))

    def _connect(self) -> OpenAI:
        if self._client is None:
            from openai import OpenAI

            self._client = OpenAI(
                base_url=self._settings.base_url,
                api_key=self._key,
                max_retries=self._settings.max_retries,
            )
        return self._client

    def _completion(self, answer: _Answer, seconds: float) -> Completion:
        choice = answer.choices[0]
        message = choice.message
        usage = answer.usage or _Usage()
        tokens = (usage.prompt_tokens or 0, usage.completion_tokens or 0)
        return Completion(
            content=message.content or message.refusal or "",
            reasoning=message.reasoning_content or message.reasoning,
            tool_calls=tuple(_tool_call(c) for c in message.tool_calls or ()),
            finish_reason=choice.finish_reason or "stop",
            usage=Usage(
                prompt_tokens=tokens[0],
                completion_tokens=tokens[1],
                n_calls=1,
                model_time_s=round(seconds, 6),
                cost_usd=self._cost(*tokens),
            ),
        )

    def _cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        prompt = self._settings.usd_per_million_prompt_tokens
        completion = self._settings.usd_per_million_completion_tokens
        if prompt is None or completion is None:
            return None
        return (prompt_tokens * prompt + completion_tokens * completion) / 1e6


def _is_empty(message: _Message) -> bool:
    return not (message.tool_calls or (message.content or "").strip() or message.refusal)


def _tool_call(call: _ToolCall) -> ToolCallRequest:
    arguments = call.function.arguments
    text = json.dumps(arguments, ensure_ascii=False) if isinstance(arguments, dict) else arguments or ""
    return ToolCallRequest(id=call.id or "", name=call.function.name, arguments=text)


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
