"""One HTTP request to an endpoint, bounded in size and time whatever comes back."""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from httpx2 import Response as HttpResponse
    from openai import AsyncOpenAI

MAX_BODY_BYTES = 8 * 2**20
"""Some two million tokens: no model answers with more."""
MAX_VECTORS_BYTES = 32 * 2**20
"""Vectors come as text: 64 of width 8,192 take 12 MiB."""
_MAX_REASON_BYTES = 64 * 2**10
"""Of a refusal: its reason stands at its beginning."""
_CONNECT_WITHIN_S = 10.0
_FIRST_WAIT_S, _MAX_WAIT_S = 0.5, 8.0
_OK, _BAD_REQUEST = 200, 400
_PASSING = {408, 409, 425, 429}
"""Refusals that may be gone the next time; so may all from 500 on."""

T = TypeVar("T")
Ask = Callable[[], AbstractAsyncContextManager[Any]]
"""Sends a request; gives the response before its body was read."""


class Response(NamedTuple):
    """What came of one HTTP request: a body, or the problem and whether asking again may help."""

    status: int | None
    body: bytes = b""
    problem: str = ""
    """Of any length, and in the server's own words."""
    again: bool = False
    retry_after_s: float | None = None


class _RefusedError(Exception):
    """Any status but a success."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.headers, self.body = status, headers, body


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose end waits for no name server: looking a host up cannot be broken off."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Left to `close`, which does not wait."""


def run_within(work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """Runs `work` in a loop of its own, so that its end is a real one: connecting and dripping end too.

    A thread that runs a loop already, as a notebook's does, waits while another thread runs this one.

    Raises:
        TimeoutError: It took longer.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(work, timeout_s)
    with ThreadPoolExecutor(1) as other:
        return other.submit(_run, work, timeout_s).result()


def _run(work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(asyncio.wait_for(work, timeout_s))


def http_client() -> AsyncClient:
    """A client for which only connecting has an end of its own: the rest is the caller's.

    It follows no redirect, which would carry the chat to a host that nobody named, and takes no more of a
    refusal than its reason: the openai client would read all of it, however large.
    """
    from httpx2 import AsyncClient, Timeout

    return AsyncClient(
        timeout=Timeout(None, connect=_CONNECT_WITHIN_S),
        follow_redirects=False,
        event_hooks={"response": [_end_refused]},
    )


async def _end_refused(response: HttpResponse) -> None:
    from httpx2 import HTTPError

    if response.is_success:
        return
    body = bytearray()
    with suppress(HTTPError):  # half a reason is better than none
        await _read(response.aiter_bytes(), body, _MAX_REASON_BYTES)
    raise _RefusedError(response.status_code, response.headers, bytes(body))


async def _read(chunks: AsyncIterator[bytes], body: bytearray, limit: int) -> None:
    """Adds to `body`, of which no more is taken than shows that it is too large."""
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            break


async def chat(client: AsyncOpenAI, request: Mapping[str, Any], timeout_s: float | None) -> Response:
    """What one chat request brings; never raises for what the endpoint does."""
    return await _exchange(
        lambda: client.chat.completions.with_streaming_response.create(**request), timeout_s
    )


async def models(client: AsyncOpenAI) -> Response:
    """What the endpoint says it has; never raises for what the endpoint does."""
    return await _exchange(client.models.with_streaming_response.list, None)


async def embeddings(client: AsyncOpenAI, model: str, texts: Sequence[str], timeout_s: float) -> Response:
    """What one request for the vectors of `texts` brings; never raises for what the endpoint does."""
    create = client.embeddings.with_streaming_response.create
    return await _exchange(
        lambda: create(model=model, input=list(texts), encoding_format="float"), timeout_s, MAX_VECTORS_BYTES
    )


def backoff_s(n_failed: int) -> float:
    """Seconds to wait before asking again: longer with every failure, and never the same for two callers."""
    return min(_FIRST_WAIT_S * 2.0 ** (n_failed - 1), _MAX_WAIT_S) * random.uniform(0.75, 1.0)


async def _exchange(ask: Ask, timeout_s: float | None, limit: int = MAX_BODY_BYTES) -> Response:
    import openai
    from httpx2 import HTTPError

    try:
        body = await asyncio.wait_for(_body(ask, limit), timeout_s)
    except _RefusedError as error:
        return _refusal(error)
    except (openai.APITimeoutError, TimeoutError):
        within = f" within {timeout_s:g} s" if timeout_s else ""
        return Response(None, problem=f"no answer{within}", again=True)
    except openai.APIConnectionError as error:
        cause = f" ({_told(error.__cause__)})" if error.__cause__ else ""
        return Response(None, problem=f"{error}{cause}", again=True)
    except openai.OpenAIError as error:
        return Response(None, problem=str(error))
    except HTTPError as error:
        return Response(_OK, problem=f"the answer broke off ({_told(error)})", again=True)
    if len(body) > limit:
        return Response(_OK, problem=f"the answer was larger than {limit // 2**20} MiB")
    return Response(_OK, body)


async def _body(ask: Ask, limit: int) -> bytes:
    body = bytearray()
    async with ask() as response:
        await _read(response.iter_bytes(), body, limit)
    return bytes(body)


def _told(error: BaseException) -> str:
    """Its words; its name where it has none. Not cut here: the key may stand in them."""
    return str(error) or type(error).__name__


def _refusal(error: _RefusedError) -> Response:
    code, words = _words_of(error.body)
    if error.status < _BAD_REQUEST and (location := error.headers.get("location")):
        words = f"it points to {location}, which is not followed"
    again = error.status in _PASSING or error.status >= 500
    if code == "insufficient_quota" or error.headers.get("x-should-retry") == "false":
        again = False
    return Response(
        error.status,
        problem=f"HTTP {error.status}: {words}" if words.strip() else f"HTTP {error.status}",
        again=again,
        retry_after_s=_retry_after_s(error.headers),
    )


def _words_of(body: bytes) -> tuple[str, str]:
    """An error's code and its message, which servers put in many ways; else all that the body holds."""
    text = body.decode("utf-8", errors="replace")
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):  # plain text, a web page, or nested beyond all measure
        return "", text
    error = (raw.get("error") or raw) if isinstance(raw, dict) else raw
    if not error:
        return "", ""
    if not isinstance(error, dict):
        return "", error if isinstance(error, str) else text
    words = error.get("message") or error.get("detail")
    code = str(error.get("code") or error.get("type") or "")
    if not isinstance(words, str):
        return code, text
    # Some say the reason by the code alone, and a go-between what the model's own server said.
    inner = error["metadata"].get("raw") if isinstance(error.get("metadata"), dict) else None
    told = [part for part in (error.get("code"), inner) if isinstance(part, str) and part not in words]
    return code, " | ".join([words, *told])


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server wants us to wait, which it says in one of three ways."""
    for name, divisor in (("retry-after-ms", 1000), ("retry-after", 1)):
        with suppress(KeyError, ValueError):
            seconds = float(headers[name]) / divisor
            return max(0.0, seconds) if math.isfinite(seconds) else None
    with suppress(KeyError, ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    return None
