"""A project's settings: what project.toml says. Never a key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator

from engine.schema.base import Record, Seed
from engine.schema.sandbox import DockerSettings

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMERIC = re.compile(r"[0-9.]+|.*:.*")
_Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]

DEFAULT_ENDPOINT = "default"
"""The name of the table [endpoint], beside the named ones under [endpoints]."""
EndpointName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]


class ToolMode(StrEnum):
    """How tools are offered to the models of an endpoint."""

    AUTO = "auto"
    """Natively, until the server refuses them or a model is seen to write its calls as text; then as JSON."""
    NATIVE = "native"
    JSON = "json"
    """Described in the system prompt; the model answers with one JSON object, a call or its answer."""


class Price(Record):
    """What a model's tokens cost, in USD per million."""

    prompt: _Usd
    completion: _Usd
    cached: _Usd | None = None
    """For prompt tokens that the server took from its cache; as `prompt` where it is not set."""

    def cost_usd(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """What a call cost; `cached_tokens` are those among its prompt's tokens that were cached."""
        cached = min(cached_tokens, prompt_tokens)
        cached_price = self.prompt if self.cached is None else self.cached
        prompt = (prompt_tokens - cached) * self.prompt + cached * cached_price
        return (prompt + completion_tokens * self.completion) / 1e6


class EndpointSettings(Record):
    """An OpenAI-compatible endpoint. Its key comes from the environment variable named here."""

    base_url: str = Field(default="https://api.openai.com/v1", max_length=2000)
    api_key_env: str = "OPENAI_API_KEY"
    temperature: float | None = Field(default=None, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    """Tokens that one answer may take."""
    seed: Seed | None = None
    """Sent with every call; None sends each rollout's own."""
    tools: ToolMode = ToolMode.AUTO
    max_retries: int = Field(default=4, ge=0, le=20)
    request_timeout_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Wall time of one request, after which it is made again; None: the whole call's."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    max_parallel_requests: int | None = Field(default=None, ge=1)
    log_bodies: bool = False
    """Whether the request log holds messages and answers too, not only their sizes and hashes."""
    usd_per_million_prompt_tokens: _Usd | None = None
    usd_per_million_completion_tokens: _Usd | None = None

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if problem := _problem_with(url):
            raise ValueError(f"{problem}: write it like https://api.openai.com/v1")
        return url

    @field_validator("api_key_env")
    @classmethod
    def _names_an_api_key(cls, name: str) -> str:
        """A project may come from others: it must not send just any secret to an address of its choice."""
        if not re.fullmatch(r"[A-Za-z0-9_]+_API_KEY", name):
            raise ValueError("it must name a variable that ends in _API_KEY, e.g. OPENAI_API_KEY")
        return name

    @property
    def price(self) -> Price | None:
        """What every model of the endpoint costs that has no price of its own; None where that is unknown."""
        prompt, completion = self.usd_per_million_prompt_tokens, self.usd_per_million_completion_tokens
        if prompt is None or completion is None:
            return None
        return Price(prompt=prompt, completion=completion)


def _problem_with(url: str) -> str:
    """What keeps `url` from being an endpoint's address, without repeating it; empty where nothing does."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        return "it holds characters that no address has"
    try:
        parts = urlsplit(url)
        has_host = _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        return "its host or port is not valid"
    if parts.scheme not in ("http", "https"):
        return "it is no http or https address"
    if "@" in parts.netloc:
        return "it holds a user or password, which belong into the key's environment variable"
    return "" if has_host else "its host or port is not valid"


def _is_host(host: str) -> bool:
    """True for a name or an address; a number that is no address raises ValueError."""
    if _NUMERIC.fullmatch(host):
        ip_address(host)
        return True
    return _NAME.fullmatch(host) is not None


class EmbedderSettings(Record):
    """Which embedder measures diversity."""

    model: str = "all-mpnet-base-v2"
    precision: str = Field(default="fp32", pattern="^(fp32|bf16)$")


class ProjectSettings(Record):
    """The whole of project.toml."""

    name: str = Field(min_length=1, max_length=80)
    seed: Seed = 1
    user: str = "scripted"
    agent: str = "scripted"
    realizer: str = "scripted"
    judge: str = "scripted"
    """Who reads the user's messages beside the rules: "scripted" is the project's own reader."""
    sandbox: str = "bubblewrap"
    docker: DockerSettings = DockerSettings()
    endpoint: EndpointSettings = EndpointSettings()
    endpoints: Mapping[EndpointName, EndpointSettings] = {}
    """More endpoints, by the names that "openai:MODEL@NAME" takes."""
    prices: Mapping[str, Price] = {}
    """By model, or by MODEL@NAME where it costs something else at one endpoint."""
    embedder: EmbedderSettings = EmbedderSettings()

    @field_validator("endpoints")
    @classmethod
    def _leaves_the_default_alone(
        cls, named: Mapping[str, EndpointSettings]
    ) -> Mapping[str, EndpointSettings]:
        if DEFAULT_ENDPOINT in named:
            raise ValueError(f"the name {DEFAULT_ENDPOINT!r} stands for [endpoint]: choose another")
        return named

    @property
    def all_endpoints(self) -> Mapping[str, EndpointSettings]:
        """Every endpoint by its name, the default one first."""
        return {DEFAULT_ENDPOINT: self.endpoint, **self.endpoints}

    def price_of(self, model: str, endpoint: str = DEFAULT_ENDPOINT) -> Price | None:
        """What a model costs at one of the endpoints; None where that is unknown."""
        for name in (f"{model}@{endpoint}", model):
            if name in self.prices:
                return self.prices[name]
        return self.all_endpoints[endpoint].price
