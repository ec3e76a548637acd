"""A project's settings: what project.toml says. Never a key."""

from __future__ import annotations

from pydantic import Field

from engine.schema.base import Record


class EndpointSettings(Record):
    """An OpenAI-compatible endpoint. Its key comes from the environment variable named here."""

    base_url: str = "https://api.openai.com/v1"
    api_key_env: str = "OPENAI_API_KEY"
    temperature: float | None = None
    max_retries: int = Field(default=4, ge=0, le=20)
    usd_per_million_prompt_tokens: float | None = Field(default=None, ge=0)
    usd_per_million_completion_tokens: float | None = Field(default=None, ge=0)

    @property
    def priced(self) -> bool:
        """True when both prices are known, so that cost can be counted and a budget kept."""
        return None not in (self.usd_per_million_prompt_tokens, self.usd_per_million_completion_tokens)


class EmbedderSettings(Record):
    """Which embedder measures diversity."""

    model: str = "all-mpnet-base-v2"
    precision: str = Field(default="fp32", pattern="^(fp32|bf16)$")


class ProjectSettings(Record):
    """The whole of project.toml."""

    name: str = Field(min_length=1, max_length=80)
    seed: int = 1
    user: str = "scripted"
    agent: str = "scripted"
    sandbox: str = "bubblewrap"
    endpoint: EndpointSettings = EndpointSettings()
    embedder: EmbedderSettings = EmbedderSettings()
