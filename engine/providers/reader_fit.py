"""Learns the reader's changes and outputs from labelled texts; the lower layers are left as they are.

Torch on purpose: this is run once in a long while, by `reader fit`; reading needs none of it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from transformers import AutoModel

from engine.providers.reader import ADAPTED, SCALE, Tokens
from engine.schema.reader import ReaderCard
from engine.store.files import write_bytes

RANK, FIRST_LAYER, N_EPOCHS, SEED = 16, 2, 4, 0
_BATCH = 32
_LEARNING_RATE = 1e-3
_WARM_UP = 0.06
_DROPOUT = 0.1
_MASKED = -1e4
_GROUP = 20
"""Batches' worth of texts that are sorted by length together: little padding, and still mixed."""

Log = Callable[[str], None]


class Example(NamedTuple):
    """One marked text and what is true of it; None where nobody knows."""

    marked: str
    drifts: bool
    hallucinates: bool | None


class _LowRank(nn.Module):
    """A fixed product and a learned change of low rank. Source: LoRA (Hu et al. 2021)."""

    def __init__(self, fixed: nn.Linear) -> None:
        super().__init__()
        self.fixed = fixed
        self.a = nn.Parameter(torch.randn(RANK, fixed.in_features) / math.sqrt(fixed.in_features))
        self.b = nn.Parameter(torch.zeros(fixed.out_features, RANK))

    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", self.fixed(x) + SCALE * ((x @ self.a.T) @ self.b.T))


class _Net(nn.Module):
    """The model in two parts: the lower layers, whose output never changes, and the upper ones."""

    def __init__(self, base: Path) -> None:
        super().__init__()
        self.bert = AutoModel.from_pretrained(base, attn_implementation="eager", local_files_only=True)
        self.bert.requires_grad_(False)
        for layer in self.bert.encoder.layer[FIRST_LAYER:]:
            for name in ADAPTED:
                holder, _, last = name.rpartition(".")
                place = layer.get_submodule(holder)
                setattr(place, last, _LowRank(getattr(place, last)))
        self.out = nn.Linear(2 * self.bert.config.hidden_size, 2)
        self.dropout = nn.Dropout(_DROPOUT)

    def lower(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Shape (texts, tokens, width)."""
        return self._layers(self.bert.embeddings(ids), mask, self.bert.encoder.layer[:FIRST_LAYER])

    def upper(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """The two logits of each text: role drift, state hallucination."""
        hidden = self._layers(hidden, mask, self.bert.encoder.layer[FIRST_LAYER:])
        kept = mask[:, :, None].float()
        mean = (hidden * kept).sum(1) / kept.sum(1)
        highest = hidden.masked_fill(kept == 0, _MASKED).max(1).values
        return cast("Tensor", self.out(self.dropout(torch.cat([mean, highest], 1))))

    def learned(self) -> dict[str, Tensor]:
        """What was learned, by the names that the reader knows."""
        return {
            name.removeprefix("bert."): value.half().contiguous()
            for name, value in self.state_dict().items()
            if name.startswith("out.") or name.endswith((".a", ".b"))
        }

    @staticmethod
    def _layers(hidden: Tensor, mask: Tensor, layers: Sequence[nn.Module]) -> Tensor:
        hidden_from = (1.0 - mask[:, None, None, :].float()) * _MASKED
        for layer in layers:
            found = layer(hidden, hidden_from)
            hidden = found[0] if isinstance(found, tuple) else found
        return hidden


def fit(base: Path, examples: Sequence[Example], log: Log) -> Fitted:
    """Learns from the examples: some 20 minutes for 12,000 texts on two cores.

    Args:
        base: The folder of all-MiniLM-L6-v2.
        examples: What to learn from.
        log: Told how far it is.
    """
    torch.manual_seed(SEED)
    torch.set_flush_denormal(True)  # tiny gradients of untouched changes cost ten times their share
    shuffled = random.Random(SEED)
    net = _Net(base)
    fitted = Fitted(net, Tokens(base))
    hidden = fitted.lower([e.marked for e in examples])
    wanted = torch.tensor([[float(e.drifts), float(bool(e.hallucinates))] for e in examples])
    known = torch.tensor([[1.0, float(e.hallucinates is not None)] for e in examples])
    learned = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=_LEARNING_RATE, weight_decay=0.01, fused=True)
    n_steps = N_EPOCHS * math.ceil(len(examples) / _BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: max(0.02, min(1, step / (_WARM_UP * n_steps + 1)) * (1 - step / n_steps))
    )
    for epoch in range(N_EPOCHS):
        net.train()
        losses = []
        for rows in _batches(hidden, shuffled):
            found = net.upper(*_padded([hidden[row] for row in rows]))
            each = nn.functional.binary_cross_entropy_with_logits(found, wanted[rows], reduction="none")
            loss = (each * known[rows]).sum() / len(rows)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(learned, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        log(f"epoch {epoch + 1} of {N_EPOCHS}: loss {np.mean(losses):.3f}")
    return fitted


class Fitted:
    """What came of it."""

    def __init__(self, net: _Net, tokens: Tokens) -> None:
        """Args: the model, and how it reads texts."""
        self._net, self._tokens = net, tokens

    def lower(self, texts: Sequence[str]) -> list[Tensor]:
        """What the fixed layers make of each text, shape (tokens, width), in half precision."""
        self._net.eval()
        ids = [torch.tensor(self._tokens(text)) for text in texts]
        found: list[Tensor] = [torch.empty(0)] * len(ids)
        with torch.no_grad():
            for rows in _by_length(ids):
                padded = nn.utils.rnn.pad_sequence([ids[row] for row in rows], batch_first=True)
                hidden = self._net.lower(padded, _mask([ids[row] for row in rows])).half()
                for row, one in zip(rows, hidden, strict=True):
                    found[row] = one[: len(ids[row])].clone()
        return found

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (len(texts), 2): role drift, state hallucination."""
        hidden = self.lower(texts)
        found = np.zeros((len(texts), 2), np.float32)
        with torch.no_grad():
            for rows in _by_length(hidden):
                found[rows] = self._net.upper(*_padded([hidden[row] for row in rows])).numpy()
        return found

    def save(self, path: Path, card: ReaderCard) -> None:
        """Writes what was learned, with its card in the file's head, whole or not at all.

        Raises:
            StudioError: The disk refuses it.
        """
        write_bytes(path, save(self._net.learned(), metadata={"card": card.model_dump_json()}))


def _by_length(texts: Sequence[Tensor]) -> Iterator[list[int]]:
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    return (order[start : start + _BATCH] for start in range(0, len(order), _BATCH))


def _batches(texts: Sequence[Tensor], shuffled: random.Random) -> list[list[int]]:
    rows = list(range(len(texts)))
    shuffled.shuffle(rows)
    size = _BATCH * _GROUP
    groups = [sorted(rows[at : at + size], key=lambda r: len(texts[r])) for at in range(0, len(rows), size)]
    batches = [group[at : at + _BATCH] for group in groups for at in range(0, len(group), _BATCH)]
    shuffled.shuffle(batches)
    return batches


def _padded(hidden: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    return nn.utils.rnn.pad_sequence([h.float() for h in hidden], batch_first=True), _mask(hidden)


def _mask(texts: Sequence[Tensor]) -> Tensor:
    return nn.utils.rnn.pad_sequence([torch.ones(len(t), dtype=torch.long) for t in texts], batch_first=True)
