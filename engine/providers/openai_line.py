"""An endpoint as all models of a process use it: its key, its limits, what was learnt of it."""

from __future__ import annotations

import asyncio
import importlib
import math
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from engine.errors import InputError, StudioError, one_line
from engine.providers.limiter import Limiter
from engine.schema.project import DEFAULT_ENDPOINT, EndpointSettings

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_NO_KEY = "none"
"""What the client sends where no key is needed: it wants some text."""
_CONNECT_WITHIN_S = 10.0
MAX_BODY_BYTES = 8 * 2**20
"""Some two million tokens: no model answers with more."""
_OK = 200
_PASSING = {408, 409, 425, 429}
"""Refusals that may be gone the next time; so may all from 500 on."""


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


@dataclass(slots=True)
class Manners:
    """What a model behind the endpoint was seen to do. Only ever learnt, never unlearnt."""

    refuses_schema: bool = False
    tools_in_words: bool = False
    """The server refuses tools, or the model writes its calls as text."""
    calls_natively: bool = False
    wants_max_completion_tokens: bool = False


class Line:
    """One endpoint, shared by all who ask it. Safe to use from several threads."""

    def __init__(self, settings: EndpointSettings, name: str = DEFAULT_ENDPOINT) -> None:
        """Args: the endpoint and its name in project.toml.

        Raises:
            InputError: No usable key for the endpoint.
        """
        # Loading the client takes a second or more, which must not count against the first call's time.
        importlib.import_module("openai.resources.chat.completions")
        self.settings, self.name = settings, name
        self._key = api_key(settings)
        self.limiter = Limiter(
            settings.requests_per_minute, settings.tokens_per_minute, settings.max_parallel_requests
        )
        self._manners: dict[str, Manners] = defaultdict(Manners)

    @property
    def address(self) -> str:
        """Scheme, host and port: no path, no key."""
        parts = urlsplit(self.settings.base_url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}"

    def manners(self, model: str) -> Manners:
        """What was learnt of a model here; who learns more writes it there."""
        return self._manners[model]

    @property
    def sends_key(self) -> bool:
        """False for a local endpoint without one."""
        return self._key != _NO_KEY

    def list_models(self, timeout_s: float) -> tuple[str, ...]:
        """The names of the models that the endpoint says it has, sorted.

        Raises:
            StudioError: It does not say.
        """
        try:
            return asyncio.run(asyncio.wait_for(self._list_models(), timeout_s))
        except TimeoutError as error:
            raise StudioError(f"{self.address}: no answer within {timeout_s:g} s") from error

    async def _list_models(self) -> tuple[str, ...]:
        import openai
        from httpx2 import HTTPError

        try:
            async with self.client() as client:
                page = await client.models.list()
                return tuple(sorted(one_line(model.id, 200) for model in page.data))
        except openai.APIStatusError as error:
            problem = f"HTTP {error.status_code}: {error.message}"
        except (openai.OpenAIError, HTTPError) as error:
            problem = str(error)
        except (AttributeError, TypeError, ValueError) as error:
            problem = f"the answer holds no list of models ({one_line(error, 80)})"
        raise StudioError(one_line(f"{self.address}: {self.masked(problem)}"))

    def masked(self, text: str) -> str:
        """Text from the endpoint without the key, should it hold it."""
        return text.replace(self._key, "***") if self.sends_key else text

    def client(self) -> AsyncOpenAI:
        """A client of the endpoint. It asks once, and only connecting has an end: the rest is the call's."""
        from httpx2 import Timeout
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            base_url=self.settings.base_url,
            api_key=self._key,
            max_retries=0,
            timeout=Timeout(None, connect=_CONNECT_WITHIN_S),
        )


class Response(NamedTuple):
    """What came of one HTTP request: a body, or the problem and whether asking again may help."""

    status: int | None
    body: bytes = b""
    problem: str = ""
    again: bool = False
    retry_after_s: float | None = None


async def send(client: AsyncOpenAI, request: Mapping[str, Any], timeout_s: float | None) -> Response:
    """What one chat request brings; never raises for what the endpoint does."""
    import openai
    from httpx2 import HTTPError

    try:
        body = await asyncio.wait_for(_body(client, request), timeout_s)
    except openai.APIStatusError as error:
        return _status(error)
    except (openai.APITimeoutError, TimeoutError):
        within = f" within {timeout_s:g} s" if timeout_s else ""
        return Response(None, problem=f"no answer{within}", again=True)
    except openai.APIConnectionError as error:
        cause = f" ({one_line(error.__cause__, 80)})" if error.__cause__ else ""
        return Response(None, problem=f"{error}{cause}", again=True)
    except openai.OpenAIError as error:
        return Response(None, problem=str(error))
    except HTTPError as error:
        return Response(_OK, problem=f"the answer broke off ({one_line(error, 80)})", again=True)
    if len(body) > MAX_BODY_BYTES:
        return Response(_OK, problem=f"the answer was larger than {MAX_BODY_BYTES // 2**20} MiB")
    return Response(_OK, body)


async def _body(client: AsyncOpenAI, request: Mapping[str, Any]) -> bytes:
    """The response's body, of which no more is taken than shows that it is too large."""
    body = bytearray()
    async with client.chat.completions.with_streaming_response.create(**request) as response:
        async for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                break
    return bytes(body)


def _status(error: APIStatusError) -> Response:
    headers = error.response.headers
    again = error.status_code in _PASSING or error.status_code >= 500
    if error.code == "insufficient_quota" or headers.get("x-should-retry") == "false":
        again = False
    return Response(
        error.status_code,
        problem=f"HTTP {error.status_code}: {error.message}",
        again=again,
        retry_after_s=_retry_after_s(headers),
    )


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server wants us to wait, which it says in one of three ways."""
    for name, divisor in (("retry-after-ms", 1000), ("retry-after", 1)):
        with suppress(KeyError, ValueError):
            seconds = float(headers[name]) / divisor
            return max(0.0, seconds) if math.isfinite(seconds) else None
    with suppress(KeyError, ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    return None
