"""Names to live objects: the only place that knows concrete classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from engine.errors import InputError, StudioError, one_line
from engine.execute.workspaces.backend import Backend
from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.execute.workspaces.docker_backend import Docker
from engine.paths import data_dir
from engine.ports import ChatModel, Embedder
from engine.providers.openai_call import Caller
from engine.providers.openai_chat import OpenAIChat
from engine.providers.openai_line import Line
from engine.providers.reader import BertReader
from engine.providers.script import Library, write_script
from engine.providers.scripted_chat import ScriptedAgent, ScriptedUser
from engine.schema.intent import Intent
from engine.schema.project import DEFAULT_ENDPOINT, EndpointSettings, ProjectSettings
from engine.schema.request import ModelRole, RequestRecord
from engine.schema.sandbox import DockerSettings

SCRIPTED = "scripted"
SANDBOXES = (Bubblewrap.NAME, Docker.NAME)
Note = Callable[[RequestRecord], None]
"""Notes down one request to a model."""


class Provider(NamedTuple):
    """A provider's name as the command line takes it, in its parts."""

    name: str
    model: str
    endpoint: str = DEFAULT_ENDPOINT


def parse_provider(text: str) -> Provider:
    """The parts of "scripted", "openai:MODEL" or "openai:MODEL@ENDPOINT".

    Raises:
        InputError: It is none of these.
    """
    if text == SCRIPTED:
        return Provider(SCRIPTED, "playbooks")
    name, _, model = text.partition(":")
    model, _, endpoint = model.rpartition("@") if "@" in model else (model, "", DEFAULT_ENDPOINT)
    if name == "openai" and model.strip() and endpoint.strip():
        return Provider(name, model.strip(), endpoint.strip())
    raise InputError(
        f"unknown provider {text!r}: use 'scripted', 'openai:MODEL' or 'openai:MODEL@ENDPOINT', "
        "e.g. openai:gpt-4o-mini"
    )


def endpoint_of(provider: Provider, settings: ProjectSettings) -> EndpointSettings:
    """The endpoint that a provider names.

    Raises:
        InputError: The project has none of that name.
    """
    if provider.endpoint in settings.all_endpoints:
        return settings.all_endpoints[provider.endpoint]
    name = one_line(provider.endpoint, 80)
    raise InputError(
        f"no endpoint {name!r}: add [endpoints.{name}] to project.toml, or, if the @ is part of the model's "
        f"name, write openai:{one_line(provider.model, 80)}@{name}@{DEFAULT_ENDPOINT}"
    )


class Endpoints:
    """A project's endpoints for one process: all models that are made of them share limits and knowledge."""

    def __init__(self, settings: ProjectSettings, note: Note | None = None) -> None:
        """Args: the project's settings, and where every request is noted down."""
        self._settings = settings
        self._note = note or (lambda _: None)
        self._mutex = Lock()
        self._lines: dict[str, Line] = {}

    def chat(
        self, provider: Provider, seed: int, role: ModelRole, trajectory_id: str | None = None
    ) -> OpenAIChat:
        """A chat model of one of the endpoints.

        Raises:
            InputError: No such endpoint, or no key for it.
        """
        with self._mutex:
            if provider.endpoint not in self._lines:
                endpoint = endpoint_of(provider, self._settings)
                self._lines[provider.endpoint] = Line(endpoint, provider.endpoint)
        return OpenAIChat(
            self._lines[provider.endpoint],
            provider.model,
            seed=seed,
            price=self._settings.price_of(provider.model, provider.endpoint),
            caller=Caller(role, trajectory_id, self._note),
        )


def reader() -> BertReader | None:
    """What reads the user's messages; None where its weights are not here: the rules alone judge then.

    Each one loads its own weights: a process that reads with several threads shares one.

    Raises:
        StudioError: The weights or the learned part are damaged.
    """
    from engine.providers.weights import MINILM, find_weights

    base = find_weights(MINILM)
    return BertReader(base) if base else None


@cache
def script_library() -> Library:
    """The playbooks and phrases that come with the project; read once a process."""
    return Library.load(data_dir() / "playbooks")


def user_model(
    provider: str, endpoints: Endpoints, intent: Intent, seed: int, trajectory_id: str | None = None
) -> ChatModel:
    """The chat model that plays the user of one rollout.

    Raises:
        InputError: Unknown provider or endpoint, or no key for it.
        ModelError: The scripted provider has no playbook for the intent.
    """
    kind = parse_provider(provider)
    if kind.name == SCRIPTED:
        return ScriptedUser(write_script(intent, script_library(), seed))
    return endpoints.chat(kind, seed, ModelRole.USER, trajectory_id)


def agent_model(
    provider: str, endpoints: Endpoints, intent: Intent, seed: int, trajectory_id: str | None = None
) -> ChatModel:
    """The chat model that plays the agent of one rollout; raises as `user_model` does."""
    kind = parse_provider(provider)
    if kind.name == SCRIPTED:
        return ScriptedAgent(write_script(intent, script_library(), seed))
    return endpoints.chat(kind, seed, ModelRole.AGENT, trajectory_id)


def chat_model(
    provider: str,
    endpoints: Endpoints,
    seed: int,
    role: ModelRole = ModelRole.REALIZER,
    trajectory_id: str | None = None,
) -> ChatModel:
    """A chat model that plays no side of a rollout: it realises intents, or judges.

    Raises:
        InputError: Unknown provider or endpoint, or one that cannot do this.
    """
    kind = parse_provider(provider)
    if kind.name == SCRIPTED:
        raise InputError("the scripted provider plays rollouts only: name an openai:MODEL")
    return endpoints.chat(kind, seed, role, trajectory_id)


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
