"""Dedup equals its definition, keeps the first, and never drops for the sake of the dropped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.intents.dedup import Thresholds, find_duplicates
from engine.intents.near_sets import NearSets
from engine.intents.near_vectors import NearVectors
from engine.intents.token_sets import word_sets
from engine.providers.embedders import HashingEmbedder
from engine.schema.intent import DedupDecision, Intent
from engine.words import words_of
from tests.builders import make_intent
from tests.planted import plant, scripted_texts

Vectors = NDArray[np.float32]

STORY = (
    "Please go through the invoices of the last quarter in my Documents folder, sort them by supplier, and "
    "write a short summary that says which suppliers raised their prices and which invoices are still open."
)


def _intents(texts: list[str]) -> list[Intent]:
    return [make_intent(text, intent_id=f"intent_{n:04}") for n, text in enumerate(texts)]


def _unit(rows: list[list[float]]) -> Vectors:
    x = np.array(rows, np.float64).reshape(len(rows), -1)
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = words_of(text)
    return {tuple(words[i : i + 3]) for i in range(max(len(words) - 2, 1))}


def _jaccard(a: Set[object], b: Set[object]) -> float:
    return len(a & b) / len(a | b)


def _by_definition(
    texts: list[str],
    x: Vectors | None,
    lexical: float,
    cosine: float,
    overlap: float,
    by_hand: Mapping[int, bool] | None = None,
) -> list[str]:
    """What `find_duplicates` promises, pair by pair: "row method kept_row"."""
    keys = [" ".join(words_of(text)) for text in texts]
    fate: dict[str, str] = {}
    kept: list[int] = []
    lines = []
    for n, text in enumerate(texts):
        said = (by_hand or {}).get(n)
        if said is False:
            continue
        if said:
            fate.setdefault(keys[n], f"exact {n}")
            kept.append(n)
            continue
        if keys[n] in fate:
            lines.append(f"{n} {fate[keys[n]]}")
            continue
        near = [(k, _jaccard(_shingles(text), _shingles(texts[k]))) for k in kept]
        near = [(k, s) for k, s in near if s >= lexical]
        method = "lexical"
        if not near and x is not None:
            pairs = [(k, float(x[n].astype(float) @ x[k].astype(float))) for k in kept]
            words = set(words_of(text))
            near = [
                (k, c)
                for k, c in pairs
                if c >= cosine and _jaccard(words, set(words_of(texts[k]))) >= overlap
            ]
            method = "semantic"
        if near:
            fate[keys[n]] = f"{method} {min(near, key=lambda p: (-p[1], p[0]))[0]}"
            lines.append(f"{n} {fate[keys[n]]}")
        else:
            fate[keys[n]] = f"exact {n}"
            kept.append(n)
    return lines


def _lines(decisions: list[DedupDecision]) -> list[str]:
    return [f"{int(d.intent_id[7:])} {d.method} {int(d.duplicate_of[7:])}" for d in decisions]


texts_of_few_words = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "D", "e!", "f"]), min_size=1, max_size=9).map(" ".join),
    max_size=25,
)


@settings(deadline=None, max_examples=200)
@given(texts_of_few_words, st.sampled_from([0.3, 0.6, 1.0]), st.sampled_from([0.0, 0.55]), st.data())
def test_find_duplicates_does_what_its_definition_says(
    texts: list[str], lexical: float, overlap: float, data: st.DataObject
) -> None:
    axis = st.integers(-3, 3).map(float)
    rows = st.lists(axis, min_size=3, max_size=3).filter(any)
    x = _unit(data.draw(st.lists(rows, min_size=len(texts), max_size=len(texts)))) if texts else None
    rows_by_hand = data.draw(st.dictionaries(st.integers(0, 24), st.booleans(), max_size=6))
    by_hand = {f"intent_{n:04}": keep for n, keep in rows_by_hand.items()}
    decisions = find_duplicates(
        _intents(texts), x, Thresholds(lexical, 0.845, overlap), by_hand=by_hand if by_hand else None
    )
    assert _lines(decisions) == _by_definition(texts, x, lexical, 0.845, overlap, rows_by_hand)


@settings(deadline=None)
@given(texts_of_few_words)
def test_every_dropped_intent_repeats_an_earlier_kept_one_and_kept_ones_repeat_none(texts: list[str]) -> None:
    intents = _intents(texts)
    decisions = find_duplicates(intents, None)
    dropped = {d.intent_id for d in decisions}
    assert len(dropped) == len(decisions)
    for d in decisions:
        assert d.duplicate_of not in dropped
        assert d.duplicate_of < d.intent_id
    assert find_duplicates([i for i in intents if i.intent_id not in dropped], None) == []


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 0.6, 0.9]))
def test_long_texts_are_joined_exactly(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    texts = [list(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 40))]
    for _ in range(30):
        text = list(texts[rng.integers(len(texts))])
        for _ in range(rng.integers(1, 9)):
            text[rng.integers(40)] = str(rng.choice(list("abcdefghijklmnopqrstuvwxyz")))
        texts.append(text)
    _, shingles = word_sets(texts)
    index = NearSets(shingles, threshold)
    sets = [_shingles(" ".join(text)) for text in texts]
    for start in range(0, len(texts), 7):
        block = range(start, min(start + 7, len(texts)))
        near = index.of(block)
        for n in block:
            pairs = [(k, _jaccard(sets[n], sets[k])) for k in range(n)]
            assert sorted(near.get(n, [])) == [pair for pair in pairs if pair[1] >= threshold]
        index.add(block)


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 0.85, 0.99]))
def test_the_shortened_vectors_lose_no_pair(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, 300)) / np.arange(1, 301) ** 0.3
    x = _unit((centres[rng.integers(40, size=400)] + rng.standard_normal((400, 300)) * 0.05).tolist())
    near = NearVectors(x, threshold).of(range(200, 400), range(0, 200, 2))
    cosines = x.astype(np.float64) @ x.T.astype(np.float64)
    for n in range(200, 400):
        columns = [*range(0, 200, 2), *range(200, n)]
        found = dict(near.get(n, []))
        reaching = {k for k in columns if cosines[n, k] > threshold + 1e-9}
        assert reaching <= set(found)
        assert set(found) <= set(columns)
        assert all(c >= threshold and math.isclose(c, cosines[n, k], abs_tol=1e-9) for k, c in found.items())


@pytest.mark.parametrize(
    ("text", "method"),
    [
        (STORY.upper().replace(",", " ;"), "exact"),
        (STORY.replace("short", "brief"), "lexical"),
        (STORY.removeprefix("Please ").replace("sort them by supplier, and ", ""), "lexical"),
        ("Which suppliers raised prices, which invoices are open? " + STORY[::-1], None),
    ],
)
def test_a_repeat_is_found_by_the_method_that_it_needs(text: str, method: str | None) -> None:
    decisions = find_duplicates(_intents(["something else entirely", STORY, text]), None)
    assert _lines(decisions) == ([f"2 {method} 1"] if method else [])


def test_a_high_cosine_counts_only_with_shared_words() -> None:
    swapped = " ".join(STORY.split()[::-1])
    x = _unit([[1.0, 0.0], [0.9, 0.1], [0.9, 0.2], [0.0, 1.0]])
    texts = [STORY, swapped, "quite another matter in the same setting", swapped + " and soon"]
    assert _lines(find_duplicates(_intents(texts), x)) == ["1 semantic 0"]


def test_a_chain_does_not_run_on() -> None:
    chain = ["a b c d e f g h", "a b c d e f g x", "z b c d e f g x"]
    assert _lines(find_duplicates(_intents(chain), None)) == ["1 lexical 0"]
    assert _lines(find_duplicates(_intents(chain[1:]), None)) == ["1 lexical 0"]


def test_no_intents_and_texts_without_words_are_fine() -> None:
    assert find_duplicates([], None) == []
    assert find_duplicates([], np.zeros((0, 4), np.float32)) == []
    assert _lines(find_duplicates(_intents([" ", "  ", "!!", "?", "!!"]), None)) == ["1 exact 0", "4 exact 2"]


def test_more_than_one_block_agrees_with_one_at_a_time() -> None:
    rng = np.random.default_rng(4)
    texts = [" ".join(rng.choice(["p", "q", "r", "s", "t", "u", "v"], 9)) for _ in range(1100)]
    x = _unit(rng.standard_normal((1100, 6)).tolist())
    assert _lines(find_duplicates(_intents(texts), x)) == _by_definition(texts, x, 0.6, 0.85, 0.55)


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_ascii_has_the_same_words_as_any_text(text: str) -> None:
    assert [*words_of(text + " a"), "é"] == words_of(text + " a é")


def test_an_intent_kept_by_hand_is_never_dropped_and_a_later_one_repeats_it() -> None:
    texts = [STORY, STORY.replace("short", "brief"), STORY.replace("short", "brief").upper()]
    found = find_duplicates(_intents(texts), None, by_hand={"intent_0001": True})
    assert _lines(found) == ["2 exact 1"]


def test_nothing_is_a_repeat_of_what_is_dropped_by_hand() -> None:
    texts = [STORY, STORY, STORY.replace("short", "brief")]
    assert _lines(find_duplicates(_intents(texts), None, by_hand={"intent_0000": False})) == ["2 lexical 1"]


def test_progress_is_told_for_a_pool_of_several_blocks_only() -> None:
    told: list[tuple[int, int]] = []
    texts = [f"{n} {n + 1} {n + 2}" for n in range(1500)]
    find_duplicates(_intents(texts), None, progress=lambda *done: told.append(done))
    assert told == [(1024, 1500), (1500, 1500)]
    find_duplicates(_intents(texts[:9]), None, progress=lambda *done: told.append(done))
    assert len(told) == 2


def test_planted_repeats_among_scripted_intents_are_found_and_nothing_else() -> None:
    planted = plant(scripted_texts(2700, seed=5), 300, seed=6)
    intents = _intents(planted.texts)
    for vectors in (None, HashingEmbedder().encode(planted.texts)):
        dropped = {int(d.intent_id[7:]) for d in find_duplicates(intents, vectors)}
        right = len(dropped & planted.repeats.keys())
        assert right / len(planted.repeats) >= 0.99
        assert right / len(dropped) >= 0.95
