"""The page of models: what is set, and an endpoint that is tried with a button."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from engine.store.project import Project
from tests.app.opened import Open
from tests.app.test_actions import shown
from tests.chat_server import Reply, chat_server, completion, tool_call


def obedient(request: Mapping[str, Any], number: int) -> Reply:
    """Does what the test of an endpoint asks for."""
    if request.get("tools"):
        return tool_call("note", json.dumps({"word": "ready"}))
    if request.get("response_format"):
        return completion({"role": "assistant", "content": '{"colour": "white"}'})
    return completion({"role": "assistant", "content": "ready"})


def project_at(root: Path, address: str) -> Project:
    project = Project.create(root)
    settings = f'name = "depot"\nagent = "openai:test-model"\n[endpoint]\nbase_url = "{address}"\n'
    project.paths.settings.write_text(settings, encoding="utf-8")
    return project


def test_an_endpoint_is_tried_and_each_thing_that_was_tried_is_named(open_view: Open, tmp_path: Path) -> None:
    with chat_server(obedient) as server:
        project = project_at(tmp_path / "p", server.base_url)
        app = tried(open_view(project.root, "models"))
    assert not app.exception
    assert not app.error
    badges = said(app)
    assert "can play user and agent" in badges
    for check in ("models", "chat", "json", "tools"):
        assert f"{check}: works" in badges


def test_an_endpoint_that_is_not_there_is_named_with_the_mend(open_view: Open, tmp_path: Path) -> None:
    project = project_at(tmp_path / "p", "http://127.0.0.1:9/v1")
    app = tried(open_view(project.root, "models"))
    assert not app.exception
    assert "chat: FAILED" in said(app)
    assert "start the server" in said(app)


def test_a_project_without_a_model_says_how_to_name_one(open_view: Open, tmp_path: Path) -> None:
    app = open_view(Project.create(tmp_path / "p").root, "models")
    app = tried(app)
    assert not app.exception
    assert "name a provider, such as openai:MODEL" in app.error[0].value.replace("\\", "")


def tried(app: AppTest) -> AppTest:
    return next(b for b in app.button if b.label == "Test this endpoint").click().run()


def said(app: AppTest) -> str:
    return "\n".join([shown(app), *(m.value for m in app.markdown)]).replace("\\", "")
