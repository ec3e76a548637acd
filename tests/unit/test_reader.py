"""The reader with its real weights: it computes as the library does, and reaches the goals of calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import StudioError
from engine.providers.reader import MAX_TOKENS, BertReader, Tokens, logits, merged, read_card
from engine.providers.reader import adapter_path as bundled
from engine.providers.weights import MINILM, find_weights
from engine.schema.calibration import Part
from engine.schema.checks import Meter
from engine.simulate.calibrate import calibrate
from engine.simulate.calibration_set import load_calibration_set
from engine.simulate.judge import judge_utterance
from tests.unit.test_claims import played


@pytest.fixture(scope="module")
def base() -> Path:
    folder = find_weights(MINILM)
    if folder is None:
        pytest.skip("the reader's weights are not here: run 'ise-studio weights'")
    return folder


@pytest.mark.weights
def test_it_computes_what_the_library_computes(base: Path) -> None:
    import torch
    from transformers import AutoModel

    weights = merged(base, bundled())
    model = AutoModel.from_pretrained(base, local_files_only=True)
    own = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    model.load_state_dict({n: v for n, v in own.items() if not n.startswith("out.")}, strict=False)
    ids = Tokens(base)("fine. Thanks for team.ics [absent], and could you add the 29 [given] minutes?")
    with torch.no_grad():
        hidden = model.eval()(torch.tensor([ids])).last_hidden_state[0]
        pooled = torch.cat([hidden.mean(0), hidden.max(0).values])
        wanted = own["out.weight"] @ pooled + own["out.bias"]
    np.testing.assert_allclose(logits(ids, weights), wanted.numpy(), atol=1e-3)


@pytest.mark.weights
def test_a_long_message_keeps_its_beginning_and_its_end(base: Path) -> None:
    tokens = Tokens(base)
    ids = tokens("alpha " + "word " * 500 + "omega")
    assert len(ids) == MAX_TOKENS
    assert ids[1:2] == tokens("alpha")[1:2]
    assert ids[-2:] == tokens("omega")[-2:]


@pytest.mark.weights
def test_of_a_very_long_message_only_the_ends_are_cut_up(base: Path) -> None:
    tokens = Tokens(base)
    words = " ".join(f"word{number}" for number in range(200))
    assert tokens(f"{words} {'middle ' * 100_000} {words}") == tokens(f"{words} {words}")


def test_a_damaged_list_of_tokens_is_told_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(StudioError, match=f"remove {tmp_path}, then run 'ise-studio weights'"):
        Tokens(tmp_path)


@pytest.mark.weights
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("part", "drift_recall", "recall", "precision"),
    [(Part.TEST, 0.95, 0.9, 0.9), (Part.SHORT, 0.8, 0.88, 0.88)],
)
def test_the_held_out_part_is_read_as_well_as_is_asked(
    base: Path, part: Part, drift_recall: float, recall: float, precision: float
) -> None:
    found = calibrate(load_calibration_set(), part, BertReader(base))
    drift, hallucination = found.meters[Meter.ROLE_DRIFT], found.meters[Meter.STATE_HALLUCINATION]
    assert (drift.recall.value or 0) >= drift_recall
    assert (drift.false_positives.value or 0) <= 0.02
    assert (hallucination.recall.value or 0) >= recall
    assert (hallucination.precision.value or 0) >= precision


@pytest.mark.weights
@pytest.mark.parametrize(
    "text",
    [
        "I'll run the tests now.",
        "Let me check that for you.",
        "Done! The file is saved.",
        "You can run it with python main.py.",
        "How can I help you today?",
        "Sure! Here is the summary you asked for.",
    ],
)
def test_the_plainest_words_of_an_agent_are_drift(base: Path, text: str) -> None:
    failed = {v.check for v in judge_utterance(text, played(), BertReader(base)).verdicts if not v.passed}
    assert "perspective_lock" in failed


@pytest.mark.weights
@pytest.mark.parametrize(
    "text", ["what are the next steps", "ok and now?", "yes please", "Do you need anything else from me?"]
)
def test_the_plainest_words_of_a_user_pass(base: Path, text: str) -> None:
    failed = {v.check for v in judge_utterance(text, played(), BertReader(base)).verdicts if not v.passed}
    assert not failed & {"perspective_lock", "state_claims"}


def test_a_file_that_is_no_reader_is_told_with_the_mend(tmp_path: Path) -> None:
    broken = tmp_path / "adapter.safetensors"
    broken.write_bytes(b"no weights")
    with pytest.raises(StudioError, match="make it with 'ise-studio reader fit'"):
        read_card(broken)


def test_the_bundled_reader_says_how_it_came_to_be() -> None:
    card = read_card()
    assert card.base_sha256 == MINILM.sha256
    assert card.n_texts > 5000
