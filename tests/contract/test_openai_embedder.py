"""Vectors over real HTTP, from a server of the test's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import build
from engine.errors import InputError, StudioError
from engine.generation import generate_intents
from engine.pipeline import embed_intents, pool_vendi
from engine.providers.embedders import embedder_name
from engine.providers.openai_http import MAX_VECTORS_BYTES
from engine.schema.project import EmbedderSettings, EndpointSettings, ProjectSettings
from engine.store import Project
from tests.chat_server import Answerer, Reply, chat_server


def vectors(request: dict[str, Any], width: int = 5) -> Reply:
    """A vector for each text, told apart by its length, the last text's first."""
    data = [
        {"object": "embedding", "index": n, "embedding": [1.0, *([len(text) / 100] * (width - 1))]}
        for n, text in enumerate(request["input"])
    ]
    return Reply(body=json.dumps({"object": "list", "model": "m", "data": data[::-1]}).encode())


def settings(base_url: str) -> ProjectSettings:
    return ProjectSettings(
        name="p",
        endpoint=EndpointSettings(base_url=base_url, max_retries=1),
        embedder=EmbedderSettings(model="openai:Embed/Small 3"),
    )


def test_vectors_come_back_in_the_order_of_the_texts_and_at_length_one() -> None:
    with chat_server(lambda request, _: vectors(request)) as server:
        embedder = build.embedder(settings(server.base_url))
        seen: list[tuple[int, int]] = []
        found = embedder.encode(["a" * n for n in range(1, 151)], lambda *at: seen.append(at))
        assert embedder.dimension == 5
    assert found.shape == (150, 5)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    assert (np.diff(found[:, 1]) > 0).all()
    assert seen == [(64, 150), (128, 150), (150, 150)]
    assert [len(r["input"]) for r in server.requests] == [64, 64, 22]
    assert embedder.name.startswith("openai-embed-small-3-")


def test_a_whole_project_can_be_embedded_by_an_endpoint(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    generate_intents(project, 30, seed=1)
    with chat_server(lambda request, _: vectors(request)) as server:
        project = Project(project.paths, settings(server.base_url))
        assert embed_intents(project) == 30
        assert embed_intents(project) == 0
    assert pool_vendi(project) >= 1
    assert project.paths.embeddings(embedder_name(project.settings.embedder)).is_dir()


def rows(vector: list[float], index: int | None = None) -> bytes:
    """Two rows of the same vector; both of them at `index`, where it is given."""
    at = (0, 1) if index is None else (index, index)
    return json.dumps({"data": [{"index": n, "embedding": vector} for n in at]}).encode()


WRONG: dict[str, tuple[Answerer, str]] = {
    "500": (lambda _, __: Reply(500, b'{"error": {"message": "boom"}}'), "500"),
    "no JSON": (lambda _, __: Reply(body=b"nothing"), "failed"),
    "no data": (lambda _, __: Reply(body=b'{"data": []}'), "failed"),
    "too few": (
        lambda r, _: Reply(body=json.dumps({"data": [{"index": 0, "embedding": [1.0]}]}).encode()),
        "does not hold 2 vectors",
    ),
    "numbers beyond all measure": (
        lambda r, _: Reply(body=rows([10**400, 1])),
        "failed",
    ),
    "a length beyond all measure": (lambda r, _: Reply(body=rows([3e38, 3e38])), "finite numbers"),
    "a row twice": (lambda r, _: Reply(body=rows([1.0], index=0)), "not numbered"),
    "a flood": (lambda r, _: Reply(body=b" " * (MAX_VECTORS_BYTES + 2**20)), "larger than 32 MiB"),
    "a wait of a day": (lambda r, _: Reply(429, b"{}", headers={"Retry-After": "86400"}), "86400 s"),
    "another host": (
        lambda r, _: Reply(307, headers={"Location": "http://127.0.0.1:9/v1/embeddings"}),
        "not followed",
    ),
    "texts": (
        lambda r, _: Reply(
            body=json.dumps({"data": [{"index": n, "embedding": ["x"]} for n in range(2)]}).encode()
        ),
        "failed",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_an_endpoint_gets_wrong_is_one_line_with_its_mend(case: str) -> None:
    answer, told = WRONG[case]
    with chat_server(answer) as server:
        embedder = build.embedder(settings(server.base_url))
        with pytest.raises(StudioError, match=told) as caught:
            embedder.encode(["one", "two"])
    assert "\n" not in str(caught.value)
    assert "project.toml" in str(caught.value)


def test_a_server_that_repeats_the_key_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-very/secret+0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    body = json.dumps({"error": {"message": f"{key} is no key"}}).replace("/", "\\/").encode()
    with chat_server(lambda *_: Reply(401, body)) as server:
        embedder = build.embedder(settings(server.base_url))
        with pytest.raises(StudioError, match=r"\*\*\* is no key") as caught:
            embedder.encode(["one", "two"])
    assert "secret" not in str(caught.value)


def test_the_endpoints_limits_hold_for_vectors_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.providers.openai_embedder._TURN_WITHIN_S", 0.2)
    with chat_server(lambda request, _: vectors(request)) as server:
        chosen = settings(server.base_url)
        limited = chosen.endpoint.model_copy(update={"requests_per_minute": 2})
        embedder = build.embedder(chosen.model_copy(update={"endpoint": limited}))
        with pytest.raises(StudioError, match="no turn under the endpoint's limits"):
            embedder.encode(["a"] * 150)
        assert len(server.requests) == 2


def test_a_429_is_asked_again() -> None:
    def answer(request: dict[str, Any], number: int) -> Reply:
        return Reply(429, b"{}", headers={"Retry-After": "0"}) if number == 0 else vectors(request)

    with chat_server(answer) as server:
        assert build.embedder(settings(server.base_url)).encode(["one"]).shape == (1, 5)


def test_a_server_that_hangs_once_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.providers.openai_embedder._TIMEOUT_S", 0.5)

    def answer(request: dict[str, Any], number: int) -> Reply:
        return Reply(delay_s=2.0) if number == 0 else vectors(request)

    with chat_server(answer) as server:
        assert build.embedder(settings(server.base_url)).encode(["one"]).shape == (1, 5)
        assert len(server.requests) == 2


def test_unknown_models_and_missing_keys_are_refused() -> None:
    with pytest.raises(InputError, match="unknown embedding model 'nothing'"):
        build.embedder(ProjectSettings(name="p", embedder=EmbedderSettings(model="nothing")))
    with pytest.raises(InputError, match="no key"):
        build.embedder(settings("https://api.example.com/v1"))


def test_names_of_different_models_never_fall_together() -> None:
    names = {
        embedder_name(EmbedderSettings(model=m)) for m in ("st:a/b", "st:a-b", "openai:a/b", "st:A/b", "st:é")
    }
    assert len(names) == 5
