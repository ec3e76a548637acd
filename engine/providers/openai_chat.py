"""The `openai` provider: any OpenAI-compatible endpoint, through the openai client."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from engine.errors import InputError, ModelError, one_line
from engine.providers.openai_wire import Answer, read_answer, request_body
from engine.schema.chat import ChatMessage, Completion, ModelInfo, ToolSchema, Usage
from engine.schema.project import EndpointSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_ANSWER_TRIES = 3
_MAX_BODY_BYTES = 32 * 2**20
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_NO_KEY = "none"
"""What the client sends where no key is needed: it wants some text."""
_JSON_MODE_REFUSED = {400, 404, 415, 422}


def api_key(settings: EndpointSettings) -> str:
    """The key from the environment; a placeholder for a loopback endpoint, which needs none.

    Raises:
        InputError: A remote endpoint and no key in the environment, or one that no header can carry.
    """
    if key := os.environ.get(settings.api_key_env):
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise InputError(
                f"the key in {settings.api_key_env} holds blanks or characters that no key has: set it anew"
            )
        return key
    if urlsplit(settings.base_url).hostname in _LOOPBACK:
        return _NO_KEY
    raise InputError(
        f"no key for {settings.base_url}: set the environment variable {settings.api_key_env}, "
        "or another base_url under [endpoint] in project.toml"
    )


class OpenAIChat:
    """A chat model behind an OpenAI-compatible endpoint. Safe to use from several threads."""

    def __init__(self, settings: EndpointSettings, model: str, *, seed: int) -> None:
        """Args: the endpoint, the model's name there, and the sampling seed that is sent along.

        Raises:
            InputError: No usable key for the endpoint.
        """
        self._settings = settings
        self._model = model
        self._key = api_key(settings)
        self._parameters: dict[str, Any] = {"seed": seed}
        if settings.temperature is not None:
            self._parameters["temperature"] = settings.temperature
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

        The client itself retries 429 and 5xx with back-off; an answer that is broken or empty is asked for
        again, up to three times in all. All of it together ends at `timeout_s`.
        """
        schema = None if self._json_schema_refused else response_schema
        request = {"model": self._model, **self._parameters, **request_body(messages, tools, schema)}
        answers: list[Answer] = []
        began = time.monotonic()

        def usage() -> Usage:
            spent = sum((self._usage(a) for a in answers), Usage())
            return spent.model_copy(update={"model_time_s": round(time.monotonic() - began, 6)})

        # A loop of its own makes the deadline a real one: connecting, waits and dripping bodies end with it.
        try:
            asyncio.run(asyncio.wait_for(self._ask_until_usable(request, answers, timeout_s), timeout_s))
        except TimeoutError as error:
            raise ModelError(self._explain(f"no answer within {timeout_s:g} s"), usage()) from error
        except ModelError as error:
            raise ModelError(str(error), usage()) from error
        if answers and (completion := answers[-1].completion):
            return completion.model_copy(update={"usage": usage()})
        problem = answers[-1].problem if answers else "the endpoint refuses JSON-schema output"
        raise ModelError(self._explain(f"{problem}, {_ANSWER_TRIES} times"), usage())

    async def _ask_until_usable(
        self, request: dict[str, Any], answers: list[Answer], timeout_s: float
    ) -> None:
        """Asks until an answer is a completion or the tries are used up; every answer joins `answers`."""
        async with self._client(timeout_s) as client:
            for _ in range(_ANSWER_TRIES):
                answer = await self._ask(client, request)
                if answer is None:
                    continue
                answers.append(answer)
                if answer.completion:
                    return

    async def _ask(self, client: AsyncOpenAI, request: dict[str, Any]) -> Answer | None:
        """One answer; None where the endpoint refused a part of the request that is now left out."""
        import openai
        from httpx2 import HTTPError

        try:
            return read_answer(await _body(client, request))
        except openai.APIStatusError as error:
            if "response_format" in request and error.status_code in _JSON_MODE_REFUSED:
                del request["response_format"]
                self._json_schema_refused = True
                return None
            raise ModelError(self._explain(f"HTTP {error.status_code}: {error.message}")) from error
        except openai.APITimeoutError as error:
            raise TimeoutError from error
        except openai.OpenAIError as error:
            raise ModelError(self._explain(str(error))) from error
        except HTTPError as error:
            return Answer(None, f"the answer broke off ({one_line(error, 80)})", 0, 0)

    def _explain(self, problem: str) -> str:
        if self._key != _NO_KEY:
            problem = problem.replace(self._key, "***")
        return one_line(f"{self._model} at {self.info.endpoint}: {problem}")

    def _client(self, timeout_s: float) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            base_url=self._settings.base_url,
            api_key=self._key,
            max_retries=self._settings.max_retries,
            timeout=timeout_s,
        )

    def _usage(self, answer: Answer) -> Usage:
        tokens = (answer.prompt_tokens, answer.completion_tokens)
        return Usage(
            prompt_tokens=tokens[0], completion_tokens=tokens[1], n_calls=1, cost_usd=self._cost(*tokens)
        )

    def _cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        prompt = self._settings.usd_per_million_prompt_tokens
        completion = self._settings.usd_per_million_completion_tokens
        if prompt is None or completion is None:
            return None
        return (prompt_tokens * prompt + completion_tokens * completion) / 1e6


async def _body(client: AsyncOpenAI, request: Mapping[str, Any]) -> bytes:
    """The response's body, of which no more is taken than any sane answer has."""
    body = bytearray()
    async with client.chat.completions.with_streaming_response.create(**request) as response:
        async for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _MAX_BODY_BYTES:
                return b""
    return bytes(body)
