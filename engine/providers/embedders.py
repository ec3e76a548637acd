"""Embedders: sentence-transformers for the numbers that count, feature hashing where no weights are."""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from engine.errors import InputError, StudioError, one_line
from engine.providers.weights import MODEL_NAME
from engine.schema.project import EmbedderSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from engine.ports import Progress

_BATCH = 8
"""Small batches are the fastest on a CPU: less padding, and the activations stay in cache."""
_TICK = 32
"""Texts between two reports of progress."""
_WORD = re.compile(r"\w+")
_NOT_NAME = re.compile(r"[^a-z0-9._-]+")
FOLDER_OR_HUB = "st:"
"""Begins the name of any sentence-transformers model: a folder, or a name on the hub."""
ENDPOINT = "openai:"
"""Begins the name of a model behind the project's OpenAI-compatible endpoint."""


def embedder_name(settings: EmbedderSettings) -> str:
    """The name that keys the vectors of the embedder chosen in `settings`, without loading it.

    A name that is no file name, such as "st:org/model" or "openai:MODEL", is made one, with a part of its
    hash behind it so that no two fall together.
    """
    model = settings.model
    if model == HashingEmbedder.NAME:
        return model
    if model != MODEL_NAME:
        readable = _NOT_NAME.sub("-", model.lower()).strip("-._")[:60]
        model = f"{readable}-{hashlib.sha256(model.encode()).hexdigest()[:8]}"
    return model if settings.model.startswith(ENDPOINT) else _versioned(model, settings.precision)


def _versioned(name: str, precision: str) -> str:
    return name if precision == "fp32" else f"{name}-{precision}"


class SentenceTransformerEmbedder:
    """A sentence-transformers model; loaded at the first use, from its folder without asking the network.

    In "fp32" a text's vector does not depend on its company (to about 1e-6). "bf16" is faster on processors
    that compute in it (others are refused: emulated, it is ten times slower), differs by up to 0.005 in a
    cosine, and goes by a name of its own.
    """

    def __init__(self, source: Path | str, name: str = MODEL_NAME, precision: str = "fp32") -> None:
        """Args: a folder, or a name on the hub; the name that keys the vectors; "fp32" or "bf16"."""
        self._source = source
        self._name = _versioned(name, precision)
        self._precision = precision
        self._loaded: SentenceTransformer | None = None
        self._lock = Lock()

    @property
    def name(self) -> str:
        """The model's name, with "-bf16" where it computes in bf16."""
        return self._name

    @property
    def dimension(self) -> int:
        """Width of the vectors; loads the model."""
        return int(self._model().get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Unit rows, float32, shape (len(texts), dimension), in the order of `texts`.

        Raises:
            StudioError: The weights are broken; the message says how to fetch them.
            InputError: "bf16" was asked of a processor that does not compute in it.
        """
        model = self._model()
        vectors = np.empty((len(texts), self.dimension), np.float32)
        # The longest first: batches of like lengths need little padding, and time left is not underestimated.
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        for start in range(0, len(order), _TICK):
            rows = order[start : start + _TICK]
            vectors[rows] = model.encode(
                [texts[i] for i in rows], batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True
            )
            if progress:
                progress(start + len(rows), len(texts))
        return unit_rows(vectors)

    def _model(self) -> SentenceTransformer:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> SentenceTransformer:
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            model = SentenceTransformer(
                str(self._source), local_files_only=isinstance(self._source, Path), trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise StudioError(
                f"the model in {self._source} cannot be loaded ({one_line(error, 120)}): {self._mend()}"
            ) from error
        if self._precision != "bf16":
            return model
        if model.device.type == "cpu" and not cpu_computes_bf16():
            raise InputError(
                "this processor does not compute in bf16: "
                'set precision = "fp32" under [embedder] in project.toml'
            )
        return model.bfloat16()

    def _mend(self) -> str:
        if self._name.startswith(MODEL_NAME):
            return "'ise-studio weights' fetches it anew, or set ISE_WEIGHTS to another folder"
        return (
            f'name a folder that holds a model under [embedder], e.g. model = "{FOLDER_OR_HUB}/models/mine"'
        )


def cpu_computes_bf16() -> bool:
    """True where bf16 is native to the processor, and so faster than fp32."""
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class HashingEmbedder:
    """Words and word pairs hashed into 768 signed counts: no model, no weights, the same on every machine.

    It sees wording, not meaning; its Vendi Score compares only with itself.
    """

    NAME: ClassVar[str] = "hashing-768"
    DIMENSION: ClassVar[int] = 768

    @property
    def name(self) -> str:
        """Always "hashing-768"."""
        return self.NAME

    @property
    def dimension(self) -> int:
        """Always 768."""
        return self.DIMENSION

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Unit rows, float32, shape (len(texts), 768), in the order of `texts`."""
        vectors = np.zeros((len(texts), self.DIMENSION), np.float32)
        for row, text in enumerate(texts):
            for feature, count in _features(text).items():
                code = zlib.crc32(feature.encode("utf-8", errors="surrogatepass"))
                sign = 1.0 if code & 1 else -1.0
                vectors[row, (code >> 1) % self.DIMENSION] += sign * (1.0 + math.log(count))
            if progress and ((row + 1) % 1000 == 0 or row + 1 == len(texts)):
                progress(row + 1, len(texts))
        return unit_rows(vectors)


def _features(text: str) -> Counter[str]:
    words = _WORD.findall(text.casefold())
    return Counter(words) + Counter(f"{a} {b}" for a, b in pairwise(words))


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows at length 1; a row of zeros becomes the first axis, so that every row is a unit vector."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    empty = norms[:, 0] == 0
    unit = vectors / np.where(norms == 0, 1, norms)
    unit[empty, :1] = 1.0
    return unit.astype(np.float32, copy=False)
