"""Which model, endpoint and price a project's words mean."""

from __future__ import annotations

import tomllib

import pytest
import tomli_w
from pydantic import ValidationError

from engine import build
from engine.errors import InputError
from engine.runs import RunRequest, start_run
from engine.schema.project import EndpointSettings, Price, ProjectSettings, ToolMode
from engine.schema.request import ModelRole
from engine.schema.run import RunConfig
from engine.store import Project

SETTINGS = """
name = "depot"
agent = "openai:big@cloud"
judge = "openai:small"
[endpoint]
base_url = "http://127.0.0.1:1/v1"
usd_per_million_prompt_tokens = 1
usd_per_million_completion_tokens = 2
[endpoints.cloud]
base_url = "http://127.0.0.1:2/v1"
tools = "json"
requests_per_minute = 30
max_tokens = 900
seed = 5
[prices."big"]
prompt = 3
completion = 6
cached = 1
[prices."big@default"]
prompt = 0
completion = 0
"""


def settings() -> ProjectSettings:
    return ProjectSettings.model_validate(tomllib.loads(SETTINGS))


def test_a_project_of_before_is_valid_and_what_is_written_is_read_back() -> None:
    old = 'name = "old"\nuser = "openai:gpt"\n[endpoint]\nbase_url = "http://127.0.0.1:1/v1"\n'
    assert ProjectSettings.model_validate(tomllib.loads(old)).endpoint.tools is ToolMode.AUTO
    written = tomli_w.dumps(settings().model_dump(exclude_none=True))
    assert ProjectSettings.model_validate(tomllib.loads(written)) == settings()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("scripted", ("scripted", "playbooks", "default")),
        ("openai:gpt", ("openai", "gpt", "default")),
        ("openai:org/m:free@cloud", ("openai", "org/m:free", "cloud")),
        ("openai:m@1@default", ("openai", "m@1", "default")),
    ],
)
def test_a_provider_names_a_model_and_an_endpoint(text: str, parts: tuple[str, ...]) -> None:
    assert tuple(build.parse_provider(text)) == parts


@pytest.mark.parametrize("text", ["openai:@cloud", "openai:m@", "openai: @ ", "m@cloud"])
def test_half_a_provider_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="unknown provider"):
        build.parse_provider(text)


def test_a_model_is_made_at_its_endpoint_with_its_parameters() -> None:
    endpoints = build.Endpoints(settings())
    model = endpoints.chat(build.parse_provider("openai:big@cloud"), 1, ModelRole.AGENT)
    assert model.info.endpoint == "http://127.0.0.1:2"
    assert model.info.parameters["seed"] == 5
    assert model.info.parameters["max_tokens"] == 900
    assert model.info.parameters["tools"] == "json"
    assert build.chat_model("openai:small", endpoints, 7).info.parameters == {"seed": 7}


def test_an_unknown_endpoint_is_refused_with_the_mend() -> None:
    with pytest.raises(InputError, match=r"add \[endpoints\.2024\] .* openai:m@2024@default"):
        build.chat_model("openai:m@2024", build.Endpoints(settings()), 1)


def test_the_nearest_price_counts() -> None:
    project = settings()
    assert project.price_of("big", "cloud") == Price(prompt=3, completion=6, cached=1)
    assert project.price_of("big") == Price(prompt=0, completion=0)
    assert project.price_of("other") == Price(prompt=1, completion=2)
    assert project.price_of("other", "cloud") is None


def test_cached_tokens_have_their_own_price() -> None:
    price = Price(prompt=3, completion=6, cached=1)
    assert price.cost_usd(1_000_000, 1_000_000) == pytest.approx(9)
    assert price.cost_usd(1_000_000, 0, 500_000) == pytest.approx(2)
    assert Price(prompt=3, completion=6).cost_usd(1_000_000, 0, 500_000) == pytest.approx(3)


def test_a_budget_is_refused_where_a_model_that_plays_has_no_price(project: Project) -> None:
    asked = RunRequest(user="openai:big@cloud", agent="openai:other@cloud", budget_usd=1.0)
    with pytest.raises(InputError, match=r'other has none: .* under \[prices\."other"\]'):
        start_run(Project(project.paths, settings()), asked)
    assert not project.paths.runs.exists()


def test_a_budget_counts_the_judge_too(project: Project) -> None:
    asked = RunRequest(judge="openai:unpriced", budget_usd=1.0)
    with pytest.raises(InputError, match=r'unpriced has none: .* under \[prices\."unpriced"\]'):
        start_run(
            Project(
                project.paths,
                ProjectSettings(name="p", endpoint=EndpointSettings(base_url="http://127.0.0.1:1/v1")),
            ),
            asked,
        )


def test_a_model_that_has_no_key_is_named_with_its_role(project: Project) -> None:
    with pytest.raises(InputError, match=r"openai:far as judge: no key .*; or name scripted as judge"):
        start_run(project, RunRequest(judge="openai:far"))


def test_the_configuration_of_a_run_from_before_judges_reads_as_the_projects_own() -> None:
    kept = {"run_id": "r", "created_at": "2026-11-01T00:00:00Z", "seed": 1, "intent_ids": ["a"], "user": "u"}
    assert RunConfig.model_validate({**kept, "agent": "a"}).judge == "scripted"


@pytest.mark.parametrize("name", ["default", "a b", "", "x@y", "../x"])
def test_an_endpoints_name_is_a_plain_word(name: str) -> None:
    with pytest.raises(ValidationError):
        ProjectSettings(name="p", endpoints={name: EndpointSettings()})
