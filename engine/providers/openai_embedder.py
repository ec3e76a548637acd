"""Vectors from any OpenAI-compatible embeddings endpoint, through the openai client."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import StudioError, one_line
from engine.providers.embedders import unit_rows
from engine.providers.openai_http import Response, backoff_s, embeddings, run_within
from engine.providers.openai_line import Line
from engine.schema.project import EndpointSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.ports import Progress

_BATCH = 64
_TIMEOUT_S = 120.0
_CLIENT_S = 10.0
"""For making and closing a client: the request must end first, since it may be asked again."""
_TURN_WITHIN_S = 300.0
_LONGEST_WAIT_S = 60.0
"""A server that asks for more will not answer while a person waits."""
_BYTES_PER_TOKEN = 4


class OpenAIEmbedder:
    """An embedding model behind an OpenAI-compatible endpoint, asked under the endpoint's limits."""

    def __init__(self, settings: EndpointSettings, model: str, name: str) -> None:
        """Args: the endpoint, the model's name there, and the name that keys the vectors.

        Raises:
            InputError: No usable key for the endpoint.
        """
        self._line = Line(settings)
        self._model = model
        self._name = name
        self._dimension = 0

    @property
    def name(self) -> str:
        """The name that keys the vectors."""
        return self._name

    @property
    def dimension(self) -> int:
        """Width of the vectors; asks the endpoint for one if none has come yet."""
        if not self._dimension:
            self.encode(["width"])
        return self._dimension

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Unit rows, float32, shape (len(texts), dimension), in the order of `texts`.

        What fails in passing (429, 5xx, a lost connection) is asked again with back-off.

        Raises:
            StudioError: The endpoint fails after retries, or answers with something else than vectors.
        """
        if not texts:
            return np.empty((0, self._dimension), np.float32)
        parts = []
        for start in range(0, len(texts), _BATCH):
            parts.append(self._ask(texts[start : start + _BATCH]))
            if progress:
                progress(min(start + _BATCH, len(texts)), len(texts))
        return unit_rows(np.vstack(parts))

    def _ask(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of one batch: asked for until they come, or asking again does not help."""
        n_failed = 0
        while (response := self._request(texts)).problem:
            n_failed += 1
            wait_s = backoff_s(n_failed) if response.retry_after_s is None else response.retry_after_s
            if not response.again or n_failed > self._line.settings.max_retries:
                raise self._failed(response.problem)
            if wait_s > _LONGEST_WAIT_S:
                raise self._failed(f"{response.problem}; it asks for a wait of {wait_s:.0f} s")
            time.sleep(wait_s)
        try:
            vectors = _vectors_in(response.body)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise self._failed(f"the answer holds no vectors ({one_line(error, 80)})") from error
        return self._checked(vectors, len(texts))

    def _request(self, texts: Sequence[str]) -> Response:
        n_tokens = sum(len(text.encode("utf-8", "replace")) for text in texts) // _BYTES_PER_TOKEN
        try:
            with self._line.limiter.turn(n_tokens, time.monotonic() + _TURN_WITHIN_S):
                return run_within(self._exchange(texts), _TIMEOUT_S + _CLIENT_S)
        except TimeoutError as error:
            raise self._failed("no answer in time, or no turn under the endpoint's limits") from error

    async def _exchange(self, texts: Sequence[str]) -> Response:
        async with self._line.client() as client:
            return await embeddings(client, self._model, texts, _TIMEOUT_S)

    def _checked(self, vectors: NDArray[np.float32], n_texts: int) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            usable = vectors.ndim == 2 and vectors.size and np.isfinite(np.linalg.norm(vectors, axis=1)).all()
        if not usable or len(vectors) != n_texts:
            raise self._failed(f"the answer does not hold {n_texts} vectors of finite numbers")
        if self._dimension and vectors.shape[1] != self._dimension:
            widths = f"{self._dimension} to {vectors.shape[1]}"
            raise self._failed(f"the width of the vectors changed from {widths}")
        self._dimension = vectors.shape[1]
        return vectors

    def _failed(self, problem: str) -> StudioError:
        return StudioError(
            f"embedding with {one_line(self._model, 80)} at {self._line.address} failed: "
            f"{self._line.told(problem, 160)}; check [endpoint] and [embedder] in project.toml, "
            "then embed again: what is done is kept"
        )


def _vectors_in(body: bytes) -> NDArray[np.float32]:
    """The vectors of an answer in the order of the texts, whatever order they came in.

    Raises:
        KeyError, TypeError, ValueError, OverflowError, RecursionError: It holds none.
    """
    rows: list[dict[str, Any]] = json.loads(body)["data"]
    if sorted(row["index"] for row in rows) != list(range(len(rows))):
        raise ValueError("its rows are not numbered from 0 on")
    rows.sort(key=lambda row: int(row["index"]))
    with np.errstate(over="ignore"):
        return np.array([row["embedding"] for row in rows], np.float32)
