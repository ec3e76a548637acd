"""Names to live objects: the only place that knows concrete classes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from engine.errors import InputError, StudioError
from engine.execute.workspaces.backend import Backend
from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.execute.workspaces.docker_backend import Docker
from engine.paths import data_dir
from engine.ports import ChatModel, Embedder
from engine.providers.openai_chat import OpenAIChat
from engine.providers.script import Library, write_script
from engine.providers.scripted_chat import ScriptedAgent, ScriptedUser
from engine.schema.intent import Intent
from engine.schema.project import EndpointSettings, ProjectSettings
from engine.schema.sandbox import DockerSettings

SCRIPTED = "scripted"
SANDBOXES = (Bubblewrap.NAME, Docker.NAME)


class Provider(NamedTuple):
    """A provider's name as the command line takes it, in its parts."""

    name: str
    model: str


def parse_provider(text: str) -> Provider:
    """The parts of "scripted" or "openai:MODEL".

    Raises:
        InputError: It is neither.
    """
    if text == SCRIPTED:
        return Provider(SCRIPTED, "playbooks")
    name, _, model = text.partition(":")
    if name == "openai" and model.strip():
        return Provider(name, model.strip())
    raise InputError(f"unknown provider {text!r}: use 'scripted' or 'openai:MODEL', e.g. openai:gpt-4o-mini")


@cache
def script_library() -> Library:
    """The playbooks and phrases that come with the project; read once a process."""
    return Library.load(data_dir() / "playbooks")


def user_model(provider: str, endpoint: EndpointSettings, intent: Intent, seed: int) -> ChatModel:
    """The chat model that plays the user of one rollout.

    Raises:
        InputError: Unknown provider, or no key for its endpoint.
        ModelError: The scripted provider has no playbook for the intent.
    """
    kind = parse_provider(provider)
    if kind.name == SCRIPTED:
        return ScriptedUser(write_script(intent, script_library(), seed))
    return OpenAIChat(endpoint, kind.model, seed=seed)


def agent_model(provider: str, endpoint: EndpointSettings, intent: Intent, seed: int) -> ChatModel:
    """The chat model that plays the agent of one rollout; raises as `user_model` does."""
    kind = parse_provider(provider)
    if kind.name == SCRIPTED:
        return ScriptedAgent(write_script(intent, script_library(), seed))
    return OpenAIChat(endpoint, kind.model, seed=seed)


def chat_model(provider: str, endpoint: EndpointSettings, seed: int) -> ChatModel:
    """A chat model that is about no rollout, e.g. to realise intents.

    Raises:
        InputError: Unknown provider, or one that cannot do this.
    """
    kind = parse_provider(provider)
    if kind.name == SCRIPTED:
        raise InputError("the scripted provider plays rollouts only: name an openai:MODEL")
    return OpenAIChat(endpoint, kind.model, seed=seed)


def sandbox(name: str, docker: DockerSettings | None = None, run_id: str = "") -> Backend:
    """The sandbox backend of this name, with the packaged snapshot template and web.

    Args:
        name: One of `SANDBOXES`.
        docker: What containers are made of, where it is Docker.
        run_id: The run that it is for, where it is for one: containers bear its name.

    Raises:
        InputError: No such backend.
    """
    if name not in SANDBOXES:
        raise InputError(f"unknown sandbox {name!r}: use one of {', '.join(SANDBOXES)}")
    template, web = data_dir() / "workspace", data_dir() / "web"
    if name == Docker.NAME:
        return Docker(template, web=web, settings=docker, run_id=run_id)
    return Bubblewrap(template, web=web)


def embedder(project: ProjectSettings) -> Embedder:
    """The embedder that the project chose.

    Raises:
        InputError: Unknown model name, or no key for its endpoint.
        StudioError: Its weights are not on this machine; the message says how to fetch them.
    """
    from engine.providers.embedders import (
        ENDPOINT,
        FOLDER_OR_HUB,
        HashingEmbedder,
        SentenceTransformerEmbedder,
        embedder_name,
    )
    from engine.providers.openai_embedder import OpenAIEmbedder
    from engine.providers.weights import MODEL_NAME, find_weights

    settings = project.embedder
    if settings.model == HashingEmbedder.NAME:
        return HashingEmbedder()
    if model := _after(ENDPOINT, settings.model):
        return OpenAIEmbedder(project.endpoint, model, embedder_name(settings))
    if source := _after(FOLDER_OR_HUB, settings.model):
        local = Path(source).expanduser()
        name = embedder_name(settings).removesuffix(f"-{settings.precision}")
        return SentenceTransformerEmbedder(local if local.is_dir() else source, name, settings.precision)
    if settings.model != MODEL_NAME:
        raise InputError(
            f"unknown embedding model {settings.model!r}: set {MODEL_NAME!r}, {HashingEmbedder.NAME!r}, "
            "'st:FOLDER-OR-NAME' or 'openai:MODEL' under [embedder] in project.toml"
        )
    folder = find_weights()
    if folder is None:
        raise StudioError(f"the weights of {MODEL_NAME} are not on this machine: run 'ise-studio weights'")
    return SentenceTransformerEmbedder(folder, precision=settings.precision)


def _after(prefix: str, text: str) -> str:
    """What follows a prefix; empty where the text does not begin with it."""
    return text.removeprefix(prefix).strip() if text.startswith(prefix) else ""
