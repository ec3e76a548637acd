"""Teaches the reader of messages from the labelled set, and sets where its outputs mean yes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.errors import StudioError
from engine.providers.reader import adapter_path
from engine.schema.calibration import CalibrationSet, Label, LabelledText, Part, Speaker
from engine.schema.reader import ReaderCard
from engine.simulate.claims.known import known_at
from engine.simulate.claims.marks import marked
from engine.store.files import writing

if TYPE_CHECKING:
    from engine.providers.reader_fit import Example, Log

SET_ASIDE = frozenset({"organ", "survey", "tariff"})
"""Scenes whose texts set the thresholds and teach nothing."""
MAX_FALSE_POSITIVES = 0.015
"""Of clean texts set aside, taken for drift: below the goal of 0.02, since other scenes differ."""
MIN_PRECISION = 0.92
"""Of texts set aside that are taken for hallucinated: above the goal of 0.9, likewise."""
_LABELS = (Label.CLEAN, Label.ROLE_DRIFT, Label.STATE_HALLUCINATION)


def fit_reader(labelled: CalibrationSet, out: Path | None, log: Log) -> Path:
    """Learns from the parts that are not held out, and writes the reader's file.

    Args:
        labelled: The set.
        out: Where it goes, by default where the bundled one is.
        log: Told how far it is.

    Raises:
        StudioError: The file could not be written, or the model that it changes could not be fetched.
    """
    from engine.providers.reader_fit import FIRST_LAYER, N_EPOCHS, RANK, SEED, fit
    from engine.providers.weights import MINILM, fetch_weights

    out = out or adapter_path()
    _refuse_unwritable(out)
    base = fetch_weights(log, MINILM)
    texts = [t for part in Part if not part.is_held_out for t in labelled.part(part) if _teaches(t)]
    taught = [t for t in texts if t.scene not in SET_ASIDE]
    aside = [t for t in labelled.part(Part.TRAIN) if t.scene in SET_ASIDE]
    log(f"marking {len(texts)} texts")
    examples = [_example(t, labelled) for t in taught] + _own_messages(labelled, {t.scene for t in taught})
    fitted = fit(base, examples, log)
    log(f"setting the thresholds by {len(aside)} texts")
    logits = fitted.logits([_example(t, labelled).marked for t in aside])
    labels = np.array([t.label for t in aside])
    clean = labels == Label.CLEAN
    drift = drift_threshold(logits[clean, 0])
    judged = clean | (labels == Label.STATE_HALLUCINATION)
    hallucination = hallucination_threshold(logits[judged, 1], ~clean[judged])
    card = ReaderCard(
        name=f"minilm-lora-{len(examples)}-{digest_of(examples)}",
        base=MINILM.name,
        base_sha256=MINILM.sha256,
        rank=RANK,
        first_layer=FIRST_LAYER,
        n_texts=len(examples),
        n_epochs=N_EPOCHS,
        seed=SEED,
        drift_threshold=drift,
        hallucination_threshold=hallucination,
    )
    fitted.save(out, card)
    return out


def digest_of(examples: Sequence[tuple[str, bool, bool | None]]) -> str:
    """Eight hex digits that differ where a reader was taught otherwise, by as many texts too."""
    return hashlib.sha256(json.dumps(examples).encode()).hexdigest()[:8]


def drift_threshold(clean: NDArray[np.float32]) -> float:
    """The lowest logit above which at most `MAX_FALSE_POSITIVES` of the clean texts lie."""
    from_the_top = np.sort(clean)[::-1]
    return float(from_the_top[int(MAX_FALSE_POSITIVES * len(clean))])


def hallucination_threshold(logits: NDArray[np.float32], wanted: NDArray[np.bool_]) -> float:
    """The lowest logit from which on `MIN_PRECISION` of the texts above are wanted ones.

    Raises:
        StudioError: There is none: too little was learned.
    """
    order = np.argsort(-logits)
    precision = np.cumsum(wanted[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(precision >= MIN_PRECISION)
    if not len(enough):
        raise StudioError(
            f"no threshold of hallucination has a precision of {MIN_PRECISION} on the texts set aside: "
            "teach it more texts, or look for wrong labels"
        )
    return float(np.nextafter(logits[order[enough[-1]]], np.float32(-np.inf)))


def _refuse_unwritable(out: Path) -> None:
    """Before the learning, which takes long, and not after it."""
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(out.parent, os.W_OK):
        raise StudioError(f"cannot write {out}: name another file with --out")


def _teaches(text: LabelledText) -> bool:
    return text.speaker is Speaker.USER and text.label in _LABELS


def _example(text: LabelledText, labelled: CalibrationSet) -> Example:
    from engine.providers.reader_fit import Example

    drifts = text.label is Label.ROLE_DRIFT
    return Example(
        marked=marked(text.text, known_at(labelled.before(text))),
        drifts=drifts,
        # What the agent's voice says was never checked against the record.
        hallucinates=None if drifts else text.label is Label.STATE_HALLUCINATION,
    )


def _own_messages(labelled: CalibrationSet, scenes: Iterable[str]) -> list[Example]:
    """The scenes' own messages, every one of them clean."""
    from engine.providers.reader_fit import Example

    found = []
    for name in sorted(scenes):
        scene = labelled.scenes[name]
        for turn in scene.turns:
            before = scene.model_copy(update={"turns": scene.turns[: turn.index]})
            text = marked(turn.utterance.text, known_at(before))
            found.append(Example(marked=text, drifts=False, hallucinates=False))
    return found
