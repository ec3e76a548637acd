"""The `openai` provider: any OpenAI-compatible endpoint, through the openai client."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import ModelError, StudioError
from engine.prompts import prompt_hash
from engine.providers.openai_call import Call, Caller, CallFailedError, first_shape
from engine.providers.openai_http import run_within
from engine.providers.openai_line import Line
from engine.providers.openai_tools import PROMPT
from engine.schema.chat import ChatMessage, Completion, ModelInfo, ToolSchema
from engine.schema.project import EndpointSettings, Price
from engine.schema.request import SentTools

log = logging.getLogger("openai")


class OpenAIChat:
    """A chat model behind an OpenAI-compatible endpoint. Safe to use from several threads."""

    def __init__(
        self,
        endpoint: EndpointSettings | Line,
        model: str,
        *,
        seed: int,
        price: Price | None = None,
        caller: Caller | None = None,
    ) -> None:
        """Makes a model that shares the endpoint's line, or has one of its own.

        Args:
            endpoint: Where it is.
            model: Its name there.
            seed: The sampling seed that is sent along, unless the endpoint sets its own.
            price: What its tokens cost; None takes the endpoint's price.
            caller: Who asks.

        Raises:
            InputError: No usable key for the endpoint.
        """
        self._line = endpoint if isinstance(endpoint, Line) else Line(endpoint)
        self._model = model
        settings = self._line.settings
        self._price = price or settings.price
        self._caller = caller or Caller()
        chosen = {n: getattr(settings, n) for n in ("temperature", "top_p", "max_tokens")}
        self._parameters: dict[str, Any] = {"seed": seed if settings.seed is None else settings.seed}
        self._parameters |= {name: value for name, value in chosen.items() if value is not None}

    @property
    def info(self) -> ModelInfo:
        """Provider, model, endpoint (no path, no key) and sampling parameters.

        Where it is known that tools go in words, that and the prompt's hash stand among the parameters.
        """
        parameters = dict(self._parameters)
        if self.sent_tools is SentTools.JSON:
            parameters |= {"tools": SentTools.JSON.value, "tools_prompt": prompt_hash(PROMPT)}
        return ModelInfo(
            provider="openai", model=self._model, endpoint=self._line.address, parameters=parameters
        )

    @property
    def sent_tools(self) -> SentTools:
        """How the next call with tools will offer them."""
        manners = self._line.manners(self._model)
        return first_shape(True, False, self._line.settings.tools, manners).tools

    @property
    def binds_schema(self) -> bool:
        """False once the endpoint has refused to bind answers to a JSON schema."""
        return not self._line.manners(self._model).refuses_schema

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[ToolSchema] = (),
        response_schema: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> Completion:
        """The model's next message; see `engine.ports.ChatModel`.

        What fails in passing (429, 5xx, a lost connection) is asked again with back-off, an answer that is
        broken or empty at once, up to three times in all. All of it, the wait for a turn under the endpoint's
        limits included, ends at `timeout_s`.
        """
        began = time.monotonic()
        call = Call(
            line=self._line,
            model=self._model,
            parameters=self._parameters,
            price=self._price,
            caller=self._caller,
            messages=messages,
            tools=tools,
            schema=response_schema,
            deadline=began + timeout_s,
        )
        try:
            completion = run_within(call.answer(), timeout_s)
        except TimeoutError as error:
            last = f" (the last try: {call.problem})" if call.problem else ""
            raise self._failed(f"no answer within {timeout_s:g} s{last}", call, began) from error
        except CallFailedError as error:
            raise self._failed(str(error), call, began) from error
        except StudioError:  # ours, such as a full disk
            raise
        except Exception as error:
            # What an endpoint sends may break what reads it in ways that nobody foresaw: that is the end of
            # one call, not of the run.
            # Of the traceback the places alone: the error's own words may hold the key.
            places = "".join(traceback.format_tb(error.__traceback__))
            log.error("a call of %s broke off: %s\n%s", self._model, type(error).__name__, places)  # noqa: TRY400
            said = f"{type(error).__name__}: {error}"
            raise self._failed(f"the answer could not be read ({said})", call, began) from error
        usage = call.usage.model_copy(update={"model_time_s": _since(began)})
        return completion.model_copy(update={"usage": usage})

    def _failed(self, problem: str, call: Call, began: float) -> ModelError:
        usage = call.usage.model_copy(update={"model_time_s": _since(began)})
        return ModelError(f"{self._model} at {self._line.address}: {self._line.told(problem, 360)}", usage)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 6)
