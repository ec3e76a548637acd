"""The reader: a small BERT with two learned outputs that tells a user's message from one that slips.

all-MiniLM-L6-v2 with low-rank changes (LoRA, Hu et al. 2021) to its upper layers, which `reader_fit` learns
from the labelled set. It runs on numpy: a worker starts without torch, and a message takes a
few tens of milliseconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from engine.errors import StudioError, one_line
from engine.intents.one_thread import one_thread
from engine.paths import data_dir
from engine.ports import Reading
from engine.providers.weights import MINILM
from engine.schema.chat import ModelInfo
from engine.schema.reader import ReaderCard
from engine.schema.trajectory import Trajectory

Array = NDArray[np.float32]
Weights = Mapping[str, Array]

MAX_TOKENS = 96
TAIL_TOKENS = 40
"""Of a message that is longer, its end: what slips in often stands there."""
N_LAYERS, N_HEADS = 6, 12
ADAPTED = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
"""The products of a layer that are changed."""
SCALE = 2.0
"""Of the low-rank changes."""
_EPS = 1e-12
_HALF_CHARS = 10_000
"""Of a text longer than two of these only its ends are cut into tokens: cutting up ten megabytes takes half a
minute and two gigabytes, and all but `MAX_TOKENS` are thrown away."""


def adapter_path() -> Path:
    """The learned part that comes with the project."""
    return data_dir() / "reader" / "adapter.safetensors"


def read_card(path: Path | None = None) -> ReaderCard:
    """What is written about a learned part in its own file.

    Raises:
        StudioError: The file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = path or adapter_path()
    try:
        with safe_open(path, framework="numpy") as file:
            return ReaderCard.model_validate(json.loads((file.metadata() or {})["card"]))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise StudioError(
            f"{path} is no reader: {one_line(error)}: make it with 'ise-studio reader fit'"
        ) from error


class BertReader:
    """Reads one message at a time; loaded at the first use, and safe to share between threads."""

    def __init__(self, base: Path, adapter: Path | None = None) -> None:
        """The folder of all-MiniLM-L6-v2, and the learned part, by default the bundled one.

        Raises:
            StudioError: The learned part is missing or damaged, or changes other weights than these.
        """
        self._base, self._adapter = base, adapter or adapter_path()
        self._card = read_card(self._adapter)
        if self._card.base_sha256 != MINILM.sha256:
            raise StudioError(
                f"{self._adapter} was learned on other weights than those of {MINILM.name} that are in use: "
                "make it anew with 'ise-studio reader fit'"
            )
        self._lock = Lock()
        self._loaded: tuple[Tokens, Weights] | None = None

    @property
    def info(self) -> ModelInfo:
        """The card's name."""
        return ModelInfo(provider="reader", model=self._card.name)

    @property
    def card(self) -> ReaderCard:
        """What is written about its learned part, thresholds among it."""
        return self._card

    def read(self, marked: str, trajectory: Trajectory | None = None, deadline: float = math.inf) -> Reading:
        """Whether a message, marked by `engine.simulate.claims.marks`, drifts or hallucinates.

        It looks at nothing but the marked message, and is too quick to need a deadline.

        Raises:
            StudioError: The weights are missing or broken.
        """
        tokens, weights = self._parts()
        with one_thread():
            drift, hallucination = logits(tokens(marked), weights)
        return Reading(
            drifts=bool(drift > self._card.drift_threshold),
            hallucinates=bool(hallucination > self._card.hallucination_threshold),
            drift=_sigmoid(float(drift)),
            hallucination=_sigmoid(float(hallucination)),
        )

    def _parts(self) -> tuple[Tokens, Weights]:
        with self._lock:
            if self._loaded is None:
                with one_thread():
                    self._loaded = Tokens(self._base), merged(self._base, self._adapter)
            return self._loaded


class Tokens:
    """Token numbers of a text, its middle left out where it is too long."""

    def __init__(self, base: Path) -> None:
        """Args: the folder of the model.

        Raises:
            StudioError: Its list of tokens is missing or damaged.
        """
        from tokenizers import Tokenizer

        path = base / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise StudioError(
                f"{path} cannot be read: {one_line(error)}: remove {base}, then run 'ise-studio weights'"
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._first, self._last = self._tokenizer.encode("").ids

    def __call__(self, text: str) -> list[int]:
        """At most `MAX_TOKENS` numbers."""
        if len(text) > 2 * _HALF_CHARS:
            text = f"{text[:_HALF_CHARS]} {text[-_HALF_CHARS:]}"
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        room = MAX_TOKENS - 2
        if len(ids) > room:
            ids = ids[: room - TAIL_TOKENS] + ids[-TAIL_TOKENS:]
        return [self._first, *ids, self._last]


def merged(base: Path, adapter: Path) -> dict[str, Array]:
    """The model's weights with the learned changes added, and the outputs' own.

    Raises:
        StudioError: A file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights = dict(load_file(base / "model.safetensors"))
        learned = {name: value.astype(np.float32) for name, value in load_file(adapter).items()}
        for name in [name.removesuffix(".a") for name in learned if name.endswith(".a")]:
            weights[f"{name}.weight"] += SCALE * learned[f"{name}.b"] @ learned[f"{name}.a"]
        return weights | {name: learned[name] for name in ("out.weight", "out.bias")}
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise StudioError(
            f"the reader cannot be loaded from {base} and {adapter}: {one_line(error)}: remove the first and "
            "run 'ise-studio weights', or make the second with 'ise-studio reader fit'"
        ) from error


def logits(ids: list[int], weights: Weights) -> Array:
    """The two outputs for one message: role drift, state hallucination; shape (2,)."""
    n = len(ids)
    hidden = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][:n]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    hidden = _normed(hidden, weights, "embeddings.LayerNorm")
    for layer in range(N_LAYERS):
        hidden = _layer(hidden, weights, f"encoder.layer.{layer}")
    pooled = np.concatenate([hidden.mean(axis=0), hidden.max(axis=0)])
    return np.asarray(weights["out.weight"] @ pooled + weights["out.bias"], np.float32)


def _layer(hidden: Array, weights: Weights, name: str) -> Array:
    n, width = hidden.shape
    query, key, value = (
        _linear(hidden, weights, f"{name}.attention.self.{part}").reshape(n, N_HEADS, -1).transpose(1, 0, 2)
        for part in ("query", "key", "value")
    )
    scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(width / N_HEADS))
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    attended = (scores / scores.sum(axis=-1, keepdims=True)) @ value
    mixed = _linear(attended.transpose(1, 0, 2).reshape(n, width), weights, f"{name}.attention.output.dense")
    hidden = _normed(hidden + mixed, weights, f"{name}.attention.output.LayerNorm")
    inner = _gelu(_linear(hidden, weights, f"{name}.intermediate.dense"))
    return _normed(
        hidden + _linear(inner, weights, f"{name}.output.dense"), weights, f"{name}.output.LayerNorm"
    )


def _linear(x: Array, weights: Weights, name: str) -> Array:
    return np.asarray(x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"], np.float32)


def _normed(x: Array, weights: Weights, name: str) -> Array:
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + _EPS)
    return np.asarray(x * weights[f"{name}.weight"] + weights[f"{name}.bias"], np.float32)


def _gelu(x: Array) -> Array:
    from scipy.special import erf

    return np.asarray(x * 0.5 * (1.0 + erf(x / np.float32(np.sqrt(2.0)))), np.float32)


def _sigmoid(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-x)))
