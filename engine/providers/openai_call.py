"""One call of a model: it is asked until an answer is usable, the tries are used up, or time is."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.providers.openai_http import Response, backoff_s, chat
from engine.providers.openai_line import Line, Manners
from engine.providers.openai_tools import read_bare_call, read_reply, reply_schema, told_in_words
from engine.providers.openai_wire import Answer, Tokens, read_answer, request_body
from engine.schema.base import utc_now
from engine.schema.chat import ChatMessage, Completion, Role, ToolSchema, Usage
from engine.schema.project import Price, ToolMode
from engine.schema.request import ModelRole, RequestRecord, SentTools

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ANSWER_TRIES = 3
_SHAPE_REFUSED = {400, 415, 422, 501}
_NOT_FOUND, _BROKEN = 404, 500
_OF_SHAPE = {
    _NOT_FOUND: re.compile(
        r"\btools?\b|\bfunctions?\b|\bparameters?\b|schema|response_format", re.IGNORECASE
    ),
    _BROKEN: re.compile(r"\btools?\b|jinja|chat template", re.IGNORECASE),
}
"""What these say where a part of the request is at fault; else they have other causes, and passing ones."""
_REASON = 1000
"""Characters of a refusal that are its reason: a web page goes on."""
_OK = 200
_BYTES_PER_TOKEN = 4
_NO_TURN = "its turn did not come, for the endpoint's limits or a wait that it asked for"
_TOLD = 280
"""Characters of a problem, so that what is said of it still fits into a line."""


class CallFailedError(Exception):
    """No usable answer, and none to be had by asking again; the text says why."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and where every request is noted down."""

    role: ModelRole = ModelRole.TRIAL
    trajectory_id: str | None = None
    note: Callable[[RequestRecord], None] = lambda _: None


class Shape(NamedTuple):
    """How a request is put: how its tools are offered, and whether it binds the answer to a JSON schema."""

    tools: SentTools
    bound: bool


def first_shape(has_tools: bool, has_schema: bool, mode: ToolMode, manners: Manners) -> Shape:
    """The richest shape that the endpoint is not known to refuse."""
    in_words = mode is ToolMode.JSON or (mode is ToolMode.AUTO and manners.tools_in_words)
    tools = SentTools.NONE if not has_tools else SentTools.JSON if in_words else SentTools.NATIVE
    return Shape(tools, (has_schema or tools is SentTools.JSON) and not manners.refuses_schema)


def simpler_shape(shape: Shape, mode: ToolMode, manners: Manners) -> Shape | None:
    """What to try when the endpoint refuses a shape; None where the shape cannot be at fault."""
    if shape.bound:
        return shape._replace(bound=False)
    if shape.tools is SentTools.NATIVE and mode is ToolMode.AUTO and not manners.calls_natively:
        return Shape(SentTools.JSON, not manners.refuses_schema)
    return None


@dataclass(slots=True)
class Call:
    """What is asked, of whom, until when (an instant of `time.monotonic`), and what it has taken so far."""

    line: Line
    model: str
    parameters: Mapping[str, Any]
    price: Price | None
    caller: Caller
    messages: Sequence[ChatMessage]
    tools: Sequence[ToolSchema]
    schema: Mapping[str, Any] | None
    deadline: float
    usage: Usage = field(default_factory=Usage)
    problem: str = ""
    """Why the last try failed."""
    _shape: Shape = field(init=False)
    _refused: list[tuple[Shape, str]] = field(default_factory=list)
    _n_tries: int = 0
    _n_unusable: int = 0
    _n_failed: int = 0

    @property
    def manners(self) -> Manners:
        """What is known of the model."""
        return self.line.manners(self.model)

    async def answer(self) -> Completion:
        """The first usable answer.

        Raises:
            CallFailedError: There is none.
            TimeoutError: The call's time cannot hold another try.
        """
        mode = self.line.settings.tools
        self._shape = first_shape(bool(self.tools), self.schema is not None, mode, self.manners)
        async with self.line.client() as client:
            while True:
                response, answer = await self._try(client)
                if answer.completion:
                    self._learn()
                    return answer.completion
                self.problem = self.line.told(answer.problem, _TOLD)
                await self._think_again(response)

    async def _try(self, client: AsyncOpenAI) -> tuple[Response, Answer]:
        """One request and what came of it: under the limits, counted, and noted down however it ends."""
        request = self._request()
        wire = json.dumps(request, ensure_ascii=False).encode("utf-8", errors="replace")
        self.problem = self.problem or _NO_TURN
        asked_at = time.monotonic()
        expected = len(wire) // _BYTES_PER_TOKEN + (self.line.settings.max_tokens or 0)
        with self.line.limiter.turn(expected, self.deadline) as slot:
            self._n_tries += 1
            self.problem = ""
            at, began = utc_now(), time.monotonic()
            response, answer = Response(None), Answer(None, "no answer until the call's end")
            try:
                response = await chat(client, request, self.line.settings.request_timeout_s)
                response = response._replace(body=self.line.without_key(response.body))
                answer = self._read(response)
            finally:
                times = {"at": at, "waited_s": began - asked_at, "latency_s": time.monotonic() - began}
                self._note(request, wire, response, answer, times)
            if any(answer.tokens):
                slot.n_tokens = answer.tokens.prompt + answer.tokens.completion
        return response, answer

    def _request(self) -> dict[str, Any]:
        messages, tools, schema = self.messages, self.tools, self.schema
        if self._shape.tools is SentTools.JSON:
            messages, tools, schema = told_in_words(messages, tools), (), reply_schema(tools)
        parameters = dict(self.parameters)
        if self.manners.wants_max_completion_tokens and "max_tokens" in parameters:
            parameters["max_completion_tokens"] = parameters.pop("max_tokens")
        body = request_body(messages, tools, schema if self._shape.bound else None)
        return {"model": self.model, **parameters, **body}

    def _read(self, response: Response) -> Answer:
        if response.problem:
            answer = Answer(None, response.problem)
        else:
            answer = self._understood(read_answer(response.body))
        if response.status == _OK:
            self.usage += self._usage(answer.tokens)
        return answer

    def _understood(self, answer: Answer) -> Answer:
        """The answer with the tool call that the model wrote into its text, where it does so."""
        completion = answer.completion
        if completion is None or not self.tools:
            return answer
        call_id = f"call_{sum(m.role is Role.TOOL for m in self.messages)}"
        if completion.tool_calls:
            self.manners.calls_natively = True
        elif self._shape.tools is SentTools.JSON:
            completion = read_reply(completion, call_id)
        elif self._may_write_calls and (bare := read_bare_call(completion, self.tools, call_id)):
            self.manners.tools_in_words = True
            completion = bare
        if not (completion.tool_calls or completion.content.strip()):
            return answer._replace(completion=None, problem="the answer was empty")
        return answer._replace(completion=completion)

    @property
    def _may_write_calls(self) -> bool:
        return self.line.settings.tools is ToolMode.AUTO and not self.manners.calls_natively

    def _learn(self) -> None:
        """Remembers which shapes were refused, now that one of them was not: they were at fault."""
        for refused, _ in self._refused:
            if refused.tools is not self._shape.tools:
                self.manners.tools_in_words = True
            elif refused.bound and not self._shape.bound:
                self.manners.refuses_schema = True

    async def _think_again(self, response: Response) -> None:
        """Makes the next try possible: another shape, or some patience; raises where there is none."""
        if self._learns_of_max_tokens(response):
            return
        if self._refuses_shape(response):
            self._refused.append((self._shape, self.problem))
            simpler = simpler_shape(self._shape, self.line.settings.tools, self.manners)
            if simpler is None:
                raise CallFailedError(self._refused[0][1])
            self._shape = simpler
        elif response.status == _OK and not response.again:
            self._n_unusable += 1
            if self._n_unusable >= ANSWER_TRIES:
                raise CallFailedError(f"{self.problem}, {ANSWER_TRIES} times")
        else:
            self._n_failed += 1
            if not response.again or self._n_failed > self.line.settings.max_retries:
                raise CallFailedError(self.problem)
            await self._wait(response.retry_after_s)

    def _learns_of_max_tokens(self, response: Response) -> bool:
        """True the first time that the endpoint wants the answer's limit under its newer name."""
        knows = self.manners.wants_max_completion_tokens or "max_tokens" not in self.parameters
        if knows or response.status == _OK or "max_completion_tokens" not in response.problem:
            return False
        self.manners.wants_max_completion_tokens = True
        return True

    def _refuses_shape(self, response: Response) -> bool:
        """True where a part of the request may be what the endpoint does not take."""
        status = response.status or 0
        if status in _SHAPE_REFUSED:
            return True
        if status not in _OF_SHAPE or not _OF_SHAPE[status].search(response.problem[:_REASON]):
            return False
        # Some servers break where their chat template cannot take tools.
        native = self._shape.tools is SentTools.NATIVE and not self.manners.calls_natively
        return status == _NOT_FOUND or native

    async def _wait(self, asked_s: float | None) -> None:
        """Some patience: as long as the server asks for, else longer with every failure."""
        left_s = self.deadline - time.monotonic()
        if asked_s is None:
            wait_s = backoff_s(self._n_failed)
            if wait_s >= left_s:
                raise TimeoutError
        elif asked_s >= left_s:
            # Others are not held back by a wait that nobody can keep: they may fare better.
            raise CallFailedError(
                f"{self.problem}; it asks for a wait of {asked_s:.0f} s, but the call has {left_s:.0f} s left"
            )
        else:
            wait_s = asked_s
            self.line.limiter.hold(wait_s)
        await asyncio.sleep(wait_s)

    def _usage(self, tokens: Tokens) -> Usage:
        cost = self.price.cost_usd(*tokens) if self.price else None
        return Usage(
            prompt_tokens=tokens.prompt, completion_tokens=tokens.completion, n_calls=1, cost_usd=cost
        )

    def _note(
        self,
        request: Mapping[str, Any],
        wire: bytes,
        response: Response,
        answer: Answer,
        times: Mapping[str, Any],
    ) -> None:
        bodies = self.line.settings.log_bodies
        body = response.body
        record = RequestRecord(
            trajectory_id=self.caller.trajectory_id,
            role=self.caller.role,
            model=self.model,
            endpoint=self.line.address,
            endpoint_name=self.line.name,
            seed=self.parameters["seed"],
            tools=self._shape.tools,
            schema_bound=self._shape.bound,
            attempt=self._n_tries,
            status=response.status,
            prompt_tokens=answer.tokens.prompt,
            cached_tokens=answer.tokens.cached,
            completion_tokens=answer.tokens.completion,
            finish_reason=self.line.told(answer.finish_reason, 40) if answer.finish_reason else None,
            error=self.line.told(answer.problem),
            n_messages=len(request["messages"]),
            request_bytes=len(wire),
            request_sha256=hashlib.sha256(wire).hexdigest(),
            answer_bytes=len(body),
            answer_sha256=hashlib.sha256(body).hexdigest() if body else None,
            request=request if bodies else None,
            answer=body.decode("utf-8", errors="replace") if bodies else None,
            **times,
        )
        self.caller.note(record)
