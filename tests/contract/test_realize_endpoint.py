"""Intents realised by a model over real HTTP, good answers and bad ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import InputError, StudioError
from engine.generation import generate_intents
from engine.schema.project import EndpointSettings, ProjectSettings
from engine.store import Project
from engine.store.intents import list_batches, read_intents
from tests.chat_server import Answerer, Reply, chat_server, completion

SENTENCE = "I keep the shift lists of two depots and have to hand figure {} to Amina before Friday noon. "


def good(number: int) -> Reply:
    text = "".join(SENTENCE.format(number * 10 + i) for i in range(5)).strip()
    return completion({"content": json.dumps({"utterance": text})})


def generate(project: Project, answer: Answerer, count: int) -> tuple[int, tuple[str, ...]]:
    """How many intents were made, and why others were not."""
    with chat_server(answer) as server:
        endpoint = EndpointSettings(base_url=server.base_url, max_retries=0)
        settings = ProjectSettings(name="test", endpoint=endpoint)
        made = generate_intents(Project(project.paths, settings), count, seed=3, realizer="openai:test-model")
    return len(made.intents), made.failures


def test_a_model_realises_cells_and_its_name_stands_in_the_record(project: Project) -> None:
    assert generate(project, lambda _, number: good(number), 4) == (4, ())
    intents = read_intents(project)
    assert {i.realization.provider for i in intents} == {"openai"}
    assert {i.realization.model for i in intents} == {"test-model"}
    assert all(i.realization.prompt_hash for i in intents)


def test_an_answer_in_the_assistants_voice_is_asked_for_again(project: Project) -> None:
    def answer(_: dict[str, Any], number: int) -> Reply:
        if number == 0:
            return completion({"content": json.dumps({"utterance": "Sure, I can help you with that!"})})
        return good(number)

    assert generate(project, answer, 1) == (1, ())


def test_half_a_character_in_an_utterance_does_not_lose_the_batch(project: Project) -> None:
    def answer(_: dict[str, Any], number: int) -> Reply:
        body = good(number).body
        return Reply(body=body.replace(b"I keep", rb"I \\ud800keep", 1)) if number == 0 else good(number)

    assert generate(project, answer, 2) == (2, ())
    assert sum("\ufffd" in i.utterance for i in read_intents(project)) == 1


def test_a_broken_draw_goes_on_where_it_was_with_the_same_seed(project: Project) -> None:
    def answer(_: dict[str, Any], number: int) -> Reply:
        return good(number) if number < 100 else Reply(500, b"{}")

    n_made, failures = generate(project, answer, 150)
    assert n_made == 100
    assert len(failures) == 50
    asked: list[int] = []

    def rest(_: dict[str, Any], number: int) -> Reply:
        asked.append(number)
        return good(1000 + number)

    assert generate(project, rest, 150) == (50, ())
    assert len(asked) == 50
    assert len({i.cell for i in read_intents(project)}) == 150
    with pytest.raises(InputError, match="all 150 intents of this draw are in the project"):
        generate(project, rest, 150)


def test_what_a_model_took_is_counted_and_priced(project: Project) -> None:
    with chat_server(lambda _, number: good(number)) as server:
        endpoint = EndpointSettings(
            base_url=server.base_url, usd_per_million_prompt_tokens=2, usd_per_million_completion_tokens=10
        )
        settings = ProjectSettings(name="test", endpoint=endpoint)
        made = generate_intents(Project(project.paths, settings), 3, seed=3, realizer="openai:test-model")
    usage = made.usage
    assert usage.n_calls == 3
    assert usage.cost_usd == pytest.approx((2 * usage.prompt_tokens + 10 * usage.completion_tokens) / 1e6)
    assert usage.cost_usd


def test_an_endpoint_that_is_down_is_one_line_and_leaves_no_batch(project: Project) -> None:
    with pytest.raises(StudioError, match="no intent could be realised") as caught:
        generate(project, lambda *_: Reply(500, b"{}"), 3)
    assert "\n" not in str(caught.value)
    assert list_batches(project) == []
