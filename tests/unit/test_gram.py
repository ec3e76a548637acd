"""Gram matrices: in any steps they end where a full sum would; the kept one is never believed blindly."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from engine.errors import InputError
from engine.intents.embed import embed_missing, vectors_of
from engine.intents.gram import Gram
from engine.intents.one_thread import one_thread
from engine.intents.pool_gram import pool_gram
from engine.intents.vendi import marginal_gain, vendi_score
from engine.providers.embedders import HashingEmbedder
from engine.schema.intent import Intent
from engine.store import Project
from engine.store.grams import read_stored_gram, write_stored_gram
from tests.builders import make_intent

MODEL = "hashing-768"
POOL = [make_intent(utterance=f"sort the {n} notes of depot {n % 7} by {n * n}") for n in range(400)]


def embedded(project: Project, intents: Sequence[Intent]) -> None:
    embed_missing(project, HashingEmbedder(), intents)


def unit(n: int, d: int, seed: int) -> NDArray[np.float32]:
    x = np.random.default_rng(seed).standard_normal((n, d)) / np.arange(1, d + 1) ** 0.5 + 0.2
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def assert_as_summed_anew(project: Project, intents: Sequence[Intent]) -> None:
    found, full = pool_gram(project, MODEL, intents), Gram.of(vectors_of(project, MODEL, intents))
    assert found.n == full.n == len(intents)
    assert np.allclose(found.matrix, full.matrix, rtol=0, atol=1e-12 * np.abs(full.matrix).max())
    assert found.score() == pytest.approx(full.score(), rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(
    cuts=st.lists(st.integers(0, 600), max_size=6),
    gone=st.sets(st.integers(0, 599), max_size=580),
    q=st.sampled_from([0.5, 1.0, 2.0, math.inf]),
)
def test_what_is_added_and_taken_in_any_steps_scores_as_the_full_sum(
    cuts: list[int], gone: set[int], q: float
) -> None:
    x = unit(600, 24, seed=len(cuts))
    gram = Gram.empty(24)
    for part in np.split(x, sorted(cuts)):
        gram = gram.add(part)
    left = np.array([row not in gone for row in range(600)])
    gram = gram.without(x[~left])
    assert gram.n == left.sum()
    assert gram.score(q) == pytest.approx(Gram.of(x[left]).score(q), rel=1e-9)
    assert gram.score(q) == pytest.approx(vendi_score(x[left].astype(np.float64), q), rel=1e-9)


def test_more_rows_than_there_are_cannot_be_taken() -> None:
    with pytest.raises(ValueError, match="5 rows cannot be taken from 3"):
        Gram.of(unit(3, 4, 1)).without(unit(5, 4, 1))


def test_a_row_is_brought_to_unit_length_the_same_way_in_any_company() -> None:
    x = unit(50, 8, 3)
    x[7] *= 3
    together, apart = Gram.of(x), Gram.empty(8)
    for row in x:
        apart = apart.add(row[None, :])
    assert np.allclose(together.matrix, apart.matrix, rtol=0, atol=1e-13 * 50)


def test_what_a_part_adds_is_the_pools_score_less_that_of_the_rest() -> None:
    x = unit(500, 32, 5)
    gain = marginal_gain(Gram.of(x), x[:60], 2.0)
    assert (gain.selection.n, gain.pool.n, gain.without.n) == (60, 500, 440)
    assert gain.selection.vendi == pytest.approx(vendi_score(x[:60], 2.0), rel=1e-9)
    assert gain.without.vendi == pytest.approx(Gram.of(x[60:]).score(2.0), rel=1e-9)
    assert gain.adds == gain.pool.vendi - gain.without.vendi


def test_the_kept_gram_follows_a_pool_that_grows_and_shrinks(project: Project) -> None:
    embedded(project, POOL)
    counts = []
    for intents in (POOL[:200], POOL[:300], POOL[20:300], [*POOL[50:350], POOL[60]], POOL[50:350]):
        assert_as_summed_anew(project, intents)
        kept = read_stored_gram(project, MODEL)
        assert kept is not None
        counts.append(kept.n_updates)
        assert len(kept.hashes) == len(intents)
    assert counts == [0, 1, 2, 3, 4]


def test_an_unchanged_pool_reads_no_vector(project: Project) -> None:
    embedded(project, POOL)
    first = pool_gram(project, MODEL, POOL)
    for part in project.paths.embeddings(MODEL).glob("part-*.parquet"):
        size, at = part.stat().st_size, part.stat().st_mtime_ns
        part.write_bytes(b"?" * size)  # whoever reads it now fails
        os.utime(part, ns=(at, at))
    again = pool_gram(project, MODEL, list(reversed(POOL)))
    assert np.array_equal(first.matrix, again.matrix)
    with pytest.raises(InputError, match="damaged"):
        pool_gram(project, MODEL, POOL[:1])


def test_a_pool_that_is_mostly_another_is_summed_anew(project: Project) -> None:
    embedded(project, POOL)
    pool_gram(project, MODEL, POOL[:200])
    assert_as_summed_anew(project, POOL[150:350])
    kept = read_stored_gram(project, MODEL)
    assert kept is not None
    assert kept.n_updates == 0


def _flip(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


def _claim(data: bytes) -> bytes:
    head, _, body = data.partition(b"\n")
    return json.dumps(json.loads(head) | {"n_texts": 2**50}).encode() + b"\n" + body


@pytest.mark.parametrize(
    "damage",
    [_flip, _claim, lambda data: data[:-8], lambda _: b"", lambda _: b'{"n_texts": 1}\n', lambda d: d * 2],
)
def test_a_damaged_gram_is_named_when_read_and_replaced_when_needed(project: Project, damage: object) -> None:
    assert callable(damage)
    embedded(project, POOL)
    pool_gram(project, MODEL, POOL)
    path: Path = project.paths.gram(MODEL)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"gram\.bin is damaged"):
        read_stored_gram(project, MODEL)
    assert_as_summed_anew(project, POOL[:390])
    kept = read_stored_gram(project, MODEL)
    assert kept is not None
    assert kept.n_updates == 0


def test_a_deleted_gram_and_one_that_cannot_be_written_cost_only_time(project: Project) -> None:
    embedded(project, POOL)
    pool_gram(project, MODEL, POOL)
    project.paths.gram(MODEL).unlink()
    assert_as_summed_anew(project, POOL)
    project.paths.gram(MODEL).unlink()
    project.paths.gram(MODEL).mkdir()
    assert Gram.of(vectors_of(project, MODEL, POOL)).score() == pytest.approx(
        pool_gram(project, MODEL, POOL).score(), rel=1e-9
    )


def test_vectors_that_were_made_again_are_not_mixed_with_the_old_sum(project: Project) -> None:
    embedded(project, POOL)
    pool_gram(project, MODEL, POOL)
    for part in project.paths.embeddings(MODEL).glob("part-*.parquet"):
        part.unlink()
    with pytest.raises(InputError, match="embed first"):
        pool_gram(project, MODEL, POOL)
    embedded(project, POOL)
    assert_as_summed_anew(project, POOL[:350])
    kept = read_stored_gram(project, MODEL)
    assert kept is not None
    assert kept.n_updates == 0


def test_after_very_many_updates_the_sum_is_made_anew(project: Project) -> None:
    embedded(project, POOL)
    pool_gram(project, MODEL, POOL[:300])
    kept = read_stored_gram(project, MODEL)
    assert kept is not None
    write_stored_gram(project, MODEL, type(kept)(kept.hashes, kept.matrix, n_updates=1000, parts=kept.parts))
    assert_as_summed_anew(project, POOL[:310])
    kept = read_stored_gram(project, MODEL)
    assert kept is not None
    assert kept.n_updates == 0


def test_an_empty_pool_scores_nothing_and_leaves_nothing(project: Project) -> None:
    assert pool_gram(project, MODEL, []).score() == 0
    assert not project.paths.gram(MODEL).exists()


def test_threads_are_held_at_one_while_anyone_asks_and_given_back_after_the_last() -> None:
    def n_threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        first, second = one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert n_threads() == {1}
        second.__exit__(None, None, None)
        assert n_threads() == {2}
