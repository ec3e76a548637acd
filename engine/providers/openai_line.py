"""An endpoint as all models of a process use it: its key, its limits, what was learnt of it."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.errors import InputError, StudioError, one_line
from engine.providers.limiter import Limiter
from engine.providers.openai_http import Response, http_client, models, run_within
from engine.schema.project import DEFAULT_ENDPOINT, EndpointSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_SHORTEST_SECRET = 12
"""Local servers are given keys such as "test" and "ollama", which stand in many a sentence."""
_NO_KEY = "none"
"""What the client sends where no key is needed: it wants some text."""


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


def _secret(key: str) -> re.Pattern[bytes] | None:
    """Finds the key, its characters escaped as JSON may; None where it is too short to be a secret."""
    if len(key) < _SHORTEST_SECRET:
        return None
    either = (rf"(?:\\?{re.escape(c)}|\\u00(?i:{ord(c):02x}))" for c in key)
    return re.compile("".join(either).encode())


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
        self._secret = _secret(self._key)
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
            response = run_within(self._ask_for_models(), timeout_s)
        except TimeoutError as error:
            raise StudioError(f"{self.address}: no answer within {timeout_s:g} s") from error
        if response.problem:
            raise StudioError(self.told(f"{self.address}: {response.problem}"))
        try:
            return tuple(sorted(self.told(model["id"], 200) for model in json.loads(response.body)["data"]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            problem = f"the answer holds no list of models ({one_line(error, 80)})"
            raise StudioError(self.told(f"{self.address}: {problem}")) from error

    async def _ask_for_models(self) -> Response:
        async with self.client() as client:
            return await models(client)

    def told(self, text: object, limit: int = 300) -> str:
        """Text from the endpoint for people and records: on one line, without the key, cut to `limit`."""
        # In this order: of a key that a cut goes through, the first half would stay.
        raw = str(text).encode("utf-8", "surrogatepass")
        return one_line(self.without_key(raw).decode("utf-8", "surrogatepass"), limit)

    def without_key(self, body: bytes) -> bytes:
        """What the endpoint sent, without the key where it holds it."""
        return self._secret.sub(b"***", body) if self._secret else body

    def client(self) -> AsyncOpenAI:
        """A client of the endpoint. It asks once; see `openai_http.http_client`.

        Raises:
            StudioError: None can be made, as with a proxy in the environment that is none.
        """
        from httpx2 import InvalidURL
        from openai import AsyncOpenAI

        try:
            http = http_client()
        except (ImportError, ValueError, InvalidURL) as error:
            raise StudioError(
                f"no client for {self.address} can be made ({one_line(error, 120)}): look at HTTP_PROXY and "
                "the like in the environment"
            ) from error
        return AsyncOpenAI(
            base_url=self.settings.base_url, api_key=self._key, max_retries=0, http_client=http
        )
