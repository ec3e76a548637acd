from __future__ import annotations

import numpy as np
import pytest

from engine import build
from engine.errors import InputError
from engine.intents.coverage import coverage
from engine.intents.foresee import Foresight, first_order_gain
from engine.intents.gram import Gram
from engine.intents.propose import Pool, propose_cells
from engine.intents.realize import realize_scripted
from engine.intents.sample import key_of, sample_cells
from engine.intents.targets import parts_of, targets_of
from engine.intents.vendi import vendi_score
from engine.paths import data_dir
from engine.providers.embedders import HashingEmbedder
from engine.schema.intent import Cell, Intent
from engine.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy(data_dir() / "taxonomy", "starter")
LIBRARY = build.script_library()
NARROW = "domain in (file-io, comms-social) and industry in (Healthcare, Logistics, Banking, Mining, Music)"


def realize(cells: list[Cell], seed: int) -> list[Intent]:
    return realize_scripted(cells, TAXONOMY, LIBRARY.playbooks, LIBRARY.lexicons, LIBRARY.voice, seed)


def embedded(intents: list[Intent]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return HashingEmbedder().encode([i.utterance for i in intents])


def narrow_pool(seed: int) -> Pool:
    """200 intents of one corner of the taxonomy."""
    intents = realize(sample_cells(TAXONOMY, 200, seed, NARROW), seed)
    return Pool(intents, embedded(intents))


@pytest.fixture(scope="module")
def pool() -> Pool:
    return narrow_pool(1)


def test_proposals_beat_an_even_draw_of_equal_count_in_diversity_and_in_holes() -> None:
    ahead = []
    for seed in (1, 2, 3):
        pool = narrow_pool(seed)
        assert pool.vectors is not None
        proposed = realize([p.cell for p in propose_cells(TAXONOMY, pool, 100, seed + 50)], 5)
        known = [i.cell for i in pool.intents]
        drawn = realize(sample_cells(TAXONOMY, 100, seed + 50, without=known), 5)
        with_proposed = vendi_score(np.vstack([pool.vectors, embedded(proposed)]))
        with_drawn = vendi_score(np.vstack([pool.vectors, embedded(drawn)]))
        ahead.append(with_proposed - with_drawn)
        ours, others = (coverage([*pool.intents, *more], TAXONOMY).holes for more in (proposed, drawn))
        assert len(ours.domain_triples) < len(others.domain_triples)
    assert sum(ahead) > 0


def test_no_proposal_is_in_the_pool_and_none_comes_twice(pool: Pool) -> None:
    proposals = propose_cells(TAXONOMY, pool, 60, 3)
    keys = [key_of(p.cell) for p in proposals]
    assert len(set(keys)) == 60
    assert set(keys).isdisjoint(key_of(i.cell) for i in pool.intents)
    assert all(0 <= p.debt <= 1 and p.gain is not None and p.reasons for p in proposals)
    assert proposals == propose_cells(TAXONOMY, pool, 60, 3)


def test_without_vectors_coverage_decides(pool: Pool) -> None:
    proposals = propose_cells(TAXONOMY, Pool(pool.intents, None), 20, 3)
    assert all(p.gain is None for p in proposals)
    reached = {d for p in proposals for d in p.cell.domain_ids}
    assert reached == set(TAXONOMY.domain_by_id) - {"file-io", "comms-social"}  # of these the pool has plenty


def test_an_empty_pool_is_owed_everything() -> None:
    proposals = propose_cells(TAXONOMY, Pool([], None), 10, 1)
    assert proposals[0].debt == 1.0


def test_a_condition_narrows_the_proposals(pool: Pool) -> None:
    proposals = propose_cells(TAXONOMY, pool, 15, 1, "domain=multimedia and complexity=simple")
    assert all("multimedia" in p.cell.domain_ids and p.cell.complexity == "simple" for p in proposals)
    with pytest.raises(InputError, match="no persona, complexity"):
        propose_cells(TAXONOMY, pool, 5, 1, "complexity=simple and n_tasks=6")


def test_the_draw_keeps_to_the_targets() -> None:
    cells = sample_cells(TAXONOMY, 3000, 1)
    industries = {p.persona_id: p.industry for p in TAXONOMY.personas}
    counts: dict[tuple[str, ...], int] = {}
    for cell in cells:
        for part in parts_of(cell, industries[cell.persona_id]):
            counts[part] = counts.get(part, 0) + 1
    targets = targets_of(TAXONOMY)
    for kind, slack in (
        ("complexity", 0.01),
        ("industry", 0.05),
        ("domain", 0.02),
        ("pair", 0.1),
        ("task", 0.15),
    ):
        for part, share in targets.of_kind(kind).items():
            assert counts[part] == pytest.approx(share * 3000, rel=slack, abs=1.5), part
    assert sum(targets.of_kind("domain").values()) == pytest.approx(2.35)
    assert sum(targets.of_kind("task").values()) == pytest.approx(4.40, abs=0.01)


def test_what_is_foreseen_is_nearer_to_what_comes_than_the_mean_is() -> None:
    intents = realize(sample_cells(TAXONOMY, 1300, 2), 2)
    x = embedded(intents)
    foresight = Foresight(intents[:1200], x[:1200])
    later = intents[1200:]
    foreseen = foresight.vectors([i.cell for i in later], [i.persona.industry for i in later])
    mean = x[:1200].mean(axis=0) / np.linalg.norm(x[:1200].mean(axis=0))
    assert (foreseen * x[1200:]).sum(axis=1).mean() > (x[1200:] @ mean).mean()


def test_the_first_order_gain_ranks_as_the_score_itself_does() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 12)) * np.linspace(3, 0.3, 12)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    more = np.vstack([np.eye(12), x[:8]])
    gains = first_order_gain(Gram.of(x), more)
    exact = [vendi_score(np.vstack([x, row])) for row in more]
    assert np.corrcoef(gains, exact)[0, 1] > 0.99
