"""The seams: ChatModel, Workspace, Embedder. Stages see these, never what stands behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.schema.chat import ChatMessage, Completion, ModelInfo, ToolSchema
    from engine.schema.sandbox import Effect, SandboxInfo

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
    ) -> Effect:
        """Runs `command` in a fresh `bash -c`; working directory and exported variables carry over.

        At the deadline every process of the call is killed and the effect says `timed_out`.
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
