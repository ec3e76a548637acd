"""A project's settings: what project.toml says. Never a key."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from engine.schema.base import Record, Seed
from engine.schema.sandbox import DockerSettings

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMERIC = re.compile(r"[0-9.]+|.*:.*")


class EndpointSettings(Record):
    """An OpenAI-compatible endpoint. Its key comes from the environment variable named here."""

    base_url: str = Field(default="https://api.openai.com/v1", max_length=2000)
    api_key_env: str = "OPENAI_API_KEY"
    temperature: float | None = Field(default=None, allow_inf_nan=False)
    max_retries: int = Field(default=4, ge=0, le=20)
    usd_per_million_prompt_tokens: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    usd_per_million_completion_tokens: float | None = Field(default=None, ge=0, allow_inf_nan=False)

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
    def priced(self) -> bool:
        """True when both prices are known, so that cost can be counted and a budget kept."""
        return None not in (self.usd_per_million_prompt_tokens, self.usd_per_million_completion_tokens)


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
    sandbox: str = "bubblewrap"
    docker: DockerSettings = DockerSettings()
    endpoint: EndpointSettings = EndpointSettings()
    embedder: EmbedderSettings = EmbedderSettings()
