"""The seams: ChatModel, Workspace, Embedder, Reader. Stages see these, never what stands behind them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.schema.chat import Usage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.schema.chat import ChatMessage, Completion, ModelInfo, ToolSchema
    from engine.schema.sandbox import Action, Effect, SandboxInfo
    from engine.schema.trajectory import Trajectory

Progress = Callable[[int, int], None]
"""Called with (done, total) as long work goes on."""


class ChatModel(Protocol):
    """A chat model behind some endpoint, or a scripted one. One instance serves one rollout's one side."""

    @property
    def info(self) -> ModelInfo:
        """Provider, model and sampling parameters, for provenance. No key in it."""
        ...

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[ToolSchema] = (),
        response_schema: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> Completion:
        """The model's next message.

        Args:
            messages: The chat so far, first a system message.
            tools: What the model may call; with tools the completion may hold tool calls.
            response_schema: JSON schema that the content must follow, where the provider can bind it.
            timeout_s: Wall time of the whole call. Retries within it are the provider's affair.

        Raises:
            ModelError: The endpoint's or the request's fault, after retries, with what it consumed. The
                rollout ends with it as its failure cause.
        """
        ...


class Workspace(Protocol):
    """One isolated OS workspace: files and processes of one rollout. Close it in every case.

    Every action returns an `Effect` with what it really did, file changes since the action before
    included. A command that fails, is killed or runs out of time is data, not an exception.

    Raises (every method): SandboxError when the sandbox itself is gone and cannot be had again.
    """

    @property
    def info(self) -> SandboxInfo:
        """Backend, versions, limits and what the isolation probe proved."""
        ...

    def exec(
        self,
        command: str,
        *,
        workdir: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        background_after_s: float | None = None,
        session_timeout_s: float | None = None,
    ) -> Effect:
        """Runs `command` in a fresh `bash -c`; working directory and exported variables carry over.

        At the deadline every process of the call is killed and the effect says `timed_out`.

        Args:
            command: What to run.
            workdir: Where, for this call alone.
            env: Variables, for this call alone.
            timeout_s: Wall time of the call.
            background_after_s: After so many seconds, 0 included, a command that has not ended goes on as a
                background session, which the effect names. It has an input to write to, its two streams are
                one, and nothing of it carries over. None: it is followed to its end.
            session_timeout_s: Seconds after which such a session is killed; None leaves it be.
        """
        ...

    def perform(
        self, action: Action, arguments: Mapping[str, Any], data: bytes = b"", *, timeout_s: float = 60.0
    ) -> Effect:
        """Does one of the things that every workspace can do beside commands and files.

        `process` looks at or acts on background sessions: {action: list|poll|log|write|kill, session_id,
        wait_s, eof}, `data` being what is written. The others are programs that come with the workspace and
        run in it as processes of their own: they answer with one JSON object as `stdout`, or say why not as
        `stderr` and end with code 1: memory_search {query, n_results, min_score}, memory_get {path, first,
        n_lines}, web_fetch {url, markdown}, web_search {query, n_results}.
        """
        ...

    def read(self, path: str) -> Effect:
        """The bytes of a file (up to the output limit) as `stdout`; ENOENT and the like as `error`."""
        ...

    def write(self, path: str, data: bytes) -> Effect:
        """Writes a whole file, making its parent folders; relative paths are under the workspace."""
        ...

    def checkpoint(self) -> Effect:
        """Keeps files, working directory and exported variables as they are, under the effect's `checkpoint`.

        Processes go on meanwhile; no checkpoint holds them. One that its limit has no room for is an `error`.
        """
        ...

    def restore(self, checkpoint: str) -> Effect:
        """Ends every process and puts back what a checkpoint of this workspace kept; the changes are told.

        Files come back with content, mode, time and links, those made since are gone. A checkpoint may be
        restored any number of times; an unknown one is an `error` that changes nothing.
        """
        ...

    def close(self) -> None:
        """Ends every process and drops the files. Safe to call twice."""
        ...


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def name(self) -> str:
        """Model name that keys the cache, e.g. "all-mpnet-base-v2"."""
        ...

    @property
    def dimension(self) -> int:
        """Width of the vectors."""
        ...

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Unit rows, float32, shape (len(texts), dimension), in the order of `texts`.

        Raises:
            StudioError: The weights are missing or broken; the message says how to fetch them.
        """
        ...


class Reading(NamedTuple):
    """What a reader says of a message."""

    drifts: bool
    hallucinates: bool
    drift: float
    """How sure it is of drift, from 0 to 1; a learned reader has a threshold above which it drifts."""
    hallucination: float
    """From 0 to 1."""
    reason: str = ""
    """To the writer, in a line, where the reader can say it."""
    usage: Usage = Usage()
    """What the reading consumed, where a model behind an endpoint read."""


class Reader(Protocol):
    """Tells from the words of a message, and from what the record says of them, whether it slips."""

    @property
    def info(self) -> ModelInfo:
        """What reads, with its sampling parameters, for provenance. No key in it."""
        ...

    def read(self, marked: str, trajectory: Trajectory, deadline: float = math.inf) -> Reading:
        """What it says of the user's next message.

        Args:
            marked: The message as `engine.simulate.claims.marks` marked it.
            trajectory: What has been played.
            deadline: Instant of `time.monotonic` at which the reading must have ended.

        Raises:
            ModelError: The model that reads failed, with what it consumed.
            StudioError: Its weights are missing or broken; the message says how to fetch them.
        """
        ...
