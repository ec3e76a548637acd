"""Teaching the reader on a handful of texts: what it learned is written, read back, and used."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.providers.reader import BertReader
from engine.providers.weights import MINILM, find_weights
from engine.schema.reader import ReaderCard


@pytest.mark.weights
def test_what_is_learned_from_a_few_texts_can_be_read_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.providers import reader_fit
    from engine.providers.reader_fit import Example, fit

    base = find_weights(MINILM)
    if base is None:
        pytest.skip("the reader's weights are not here: run 'ise-studio weights'")
    monkeypatch.setattr(reader_fit, "N_EPOCHS", 10)
    monkeypatch.setattr(reader_fit, "_BATCH", 6)
    user = [f"fine. Please count the rows of sheet {n}." for n in range(12)]
    agent = [f"fine. I have counted the rows of sheet {n} for you." for n in range(12)]
    false = [f"fine. Good that rows{n}.csv [absent] was sent [never]." for n in range(12)]
    examples = [
        *(Example(text, drifts=False, hallucinates=False) for text in user),
        *(Example(text, drifts=True, hallucinates=None) for text in agent),
        *(Example(text, drifts=False, hallucinates=True) for text in false),
    ]
    said: list[str] = []
    made = tmp_path / "reader.safetensors"
    card = ReaderCard(
        name="small",
        base=MINILM.name,
        base_sha256=MINILM.sha256,
        rank=reader_fit.RANK,
        first_layer=reader_fit.FIRST_LAYER,
        n_texts=len(examples),
        n_epochs=10,
        seed=reader_fit.SEED,
        drift_threshold=0.0,
        hallucination_threshold=0.0,
    )
    fitted = fit(base, examples, said.append)
    fitted.save(made, card)
    reader = BertReader(base, made)
    assert reader.card == card
    assert len(said) == 10
    readings = [reader.read(text) for text in (user[0], agent[0], false[0])]
    assert [(r.drifts, r.hallucinates) for r in readings] == [(False, False), (True, False), (False, True)]
    for text, logits in zip(user, fitted.logits(user), strict=True):
        assert reader.read(text).drift == pytest.approx(1 / (1 + 2.718281828 ** -float(logits[0])), abs=0.01)
