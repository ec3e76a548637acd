"""Vectors from any OpenAI-compatible embeddings endpoint, through the openai client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import StudioError, one_line
from engine.providers.embedders import unit_rows
from engine.providers.openai_line import api_key
from engine.schema.project import EndpointSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.ports import Progress

_BATCH = 64
_TIMEOUT_S = 120.0


class OpenAIEmbedder:
    """An embedding model behind an OpenAI-compatible endpoint. The client retries 429 and 5xx itself."""

    def __init__(self, settings: EndpointSettings, model: str, name: str) -> None:
        """Args: the endpoint, the model's name there, and the name that keys the vectors.

        Raises:
            InputError: No usable key for the endpoint.
        """
        self._settings = settings
        self._model = model
        self._name = name
        self._key = api_key(settings)
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
        import openai
        from httpx2 import HTTPError

        try:
            with openai.OpenAI(
                base_url=self._settings.base_url,
                api_key=self._key,
                max_retries=self._settings.max_retries,
                timeout=_TIMEOUT_S,
            ) as client:
                answer = client.embeddings.create(
                    model=self._model, input=list(texts), encoding_format="float"
                )
            rows = sorted(answer.data, key=lambda item: item.index)
            vectors = np.array([item.embedding for item in rows], np.float32)
        except (openai.OpenAIError, HTTPError) as error:
            raise self._failed(str(error)) from error
        except (AttributeError, TypeError, ValueError) as error:
            raise self._failed(f"the answer holds no vectors ({one_line(error, 80)})") from error
        return self._checked(vectors, len(texts))

    def _checked(self, vectors: NDArray[np.float32], n_texts: int) -> NDArray[np.float32]:
        if vectors.ndim != 2 or len(vectors) != n_texts or not vectors.size or not np.isfinite(vectors).all():
            raise self._failed(f"the answer does not hold {n_texts} vectors of finite numbers")
        if self._dimension and vectors.shape[1] != self._dimension:
            widths = f"{self._dimension} to {vectors.shape[1]}"
            raise self._failed(f"the width of the vectors changed from {widths}")
        self._dimension = vectors.shape[1]
        return vectors

    def _failed(self, problem: str) -> StudioError:
        return StudioError(
            one_line(
                f"embedding with {self._model} at {self._settings.base_url} failed: "
                f"{problem.replace(self._key, '***')}; check [endpoint] and [embedder] in project.toml, "
                "then embed again: what is done is kept"
            )
        )
