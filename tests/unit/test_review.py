"""A curator overrules dedup: kept in the project, seen by everything, honoured by every later run."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.catalog import Catalog
from engine.errors import InputError, NotFoundError
from engine.intents.dedup import Thresholds
from engine.intents.review import list_pairs, overrule_dedup, take_back
from engine.pipeline import dedup_intents
from engine.providers.embedders import HashingEmbedder
from engine.store import Project
from engine.store.intents import (
    dedup_has_run,
    list_batches,
    read_decisions,
    read_dedup_report,
    read_intents,
    read_kept_intents,
    read_overrules,
)
from engine.store.vectors import append_vectors
from tests.builders import make_intent, make_project, save_intents

FIRST = "Please go through the invoices of the last quarter, sort them by supplier and write a summary."
SECOND = FIRST.replace("a summary", "one summary")
THIRD = FIRST.upper()
OTHER = "Rename the photos of the trip by date and pack them into one archive for my sister."


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    """Four intents, two of which repeat the first."""
    project = make_project(tmp_path)
    texts = (FIRST, SECOND, THIRD, OTHER)
    save_intents(project, *(make_intent(text, intent_id=f"intent_{n}") for n, text in enumerate(texts)))
    return project


def _dedup(project: Project) -> None:
    dedup_intents(project, semantic=False)


def _kept(project: Project) -> list[str]:
    kept = [i.intent_id for i in read_kept_intents(project)]
    with Catalog.open(project) as catalog:
        rows = catalog.rows("select intent_id from intents where kept order by intent_id")
        alike = catalog.rows("select count(*) as n from intents where kept = (duplicate_of is not null)")
    assert [row["intent_id"] for row in rows] == kept
    assert alike[0]["n"] <= sum(not o.keep for o in read_overrules(project))
    return kept


def test_pairs_show_both_texts_and_the_verdict(pool: Project) -> None:
    _dedup(pool)
    lexical, exact = list_pairs(pool)
    assert (lexical.utterance, lexical.other, lexical.method) == (SECOND, FIRST, "lexical")
    assert (exact.intent_id, exact.duplicate_of, exact.similarity) == ("intent_2", "intent_0", 1.0)
    assert {lexical.verdict, exact.verdict} == {"dropped"}
    assert list_pairs(pool, "exact") == [exact]
    assert list_pairs(pool, limit=1) == [lexical]


def test_keep_takes_effect_at_once_and_survives_dedup(pool: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "ada")
    _dedup(pool)
    assert _kept(pool) == ["intent_0", "intent_3"]
    overrule_dedup(pool, "intent_1", keep=True, note="one summary is another wish")
    assert _kept(pool) == ["intent_0", "intent_1", "intent_3"]
    _dedup(pool)
    assert _kept(pool) == ["intent_0", "intent_1", "intent_3"]
    assert [d.intent_id for d in read_decisions(pool)] == ["intent_2"]
    (pair, _) = list_pairs(pool)
    assert (pair.duplicate_of, pair.method, pair.verdict) == ("intent_0", "lexical", "kept by hand")
    assert (pair.author, pair.note) == ("ada", "one summary is another wish")


def test_what_repeated_an_intent_dropped_by_hand_is_judged_anew(pool: Project) -> None:
    _dedup(pool)
    overrule_dedup(pool, "intent_0", keep=False)
    assert _kept(pool) == ["intent_3"]
    _dedup(pool)
    assert _kept(pool) == ["intent_1", "intent_3"]
    assert [p.intent_id for p in list_pairs(pool, "hand")] == ["intent_0"]


def test_the_last_word_counts_and_every_word_is_kept(pool: Project) -> None:
    _dedup(pool)
    for keep in (True, False, True):
        overrule_dedup(pool, "intent_2", keep=keep, author="bo")
        _dedup(pool)
        assert ("intent_2" in _kept(pool)) is keep
    assert [o.keep for o in read_overrules(pool)] == [True, False, True]
    assert {o.author for o in read_overrules(pool)} == {"bo"}
    assert [o.decision.duplicate_of for o in read_overrules(pool) if o.decision] == ["intent_0"] * 3
    assert len(list_batches(pool)) == 1


def test_a_word_that_is_taken_back_leaves_dedup_s_own(pool: Project) -> None:
    _dedup(pool)
    overrule_dedup(pool, "intent_1", keep=True)
    overrule_dedup(pool, "intent_3", keep=False)
    assert _kept(pool) == ["intent_0", "intent_1"]
    take_back(pool, "intent_1", note="it is one wish", author="bo")
    take_back(pool, "intent_3")
    assert _kept(pool) == ["intent_0", "intent_3"]
    (lexical, exact) = list_pairs(pool)
    assert {lexical.verdict, exact.verdict} == {"dropped"}
    assert lexical.author is None
    assert [(o.keep, o.note) for o in read_overrules(pool)][2] == (None, "it is one wish")
    with pytest.raises(NotFoundError, match="nothing to take back"):
        take_back(pool, "intent_1")


def test_a_keep_that_is_taken_back_after_a_later_dedup_waits_for_the_next(pool: Project) -> None:
    _dedup(pool)
    overrule_dedup(pool, "intent_1", keep=True)
    _dedup(pool)
    take_back(pool, "intent_1")
    assert _kept(pool) == ["intent_0", "intent_1", "intent_3"]
    _dedup(pool)
    assert _kept(pool) == ["intent_0", "intent_3"]
    overrule_dedup(pool, "intent_1", keep=True)
    assert list_pairs(pool)[0].method == "lexical"


def test_the_report_says_how_the_decisions_came_to_be(pool: Project) -> None:
    assert not dedup_has_run(pool)
    assert read_dedup_report(pool) is None
    dedup_intents(pool, Thresholds(lexical=0.7), semantic=False)
    report = read_dedup_report(pool)
    assert report is not None
    assert (report.lexical, report.cosine, report.semantic) == (0.7, 0.85, False)
    assert (report.n_intents, report.vendi_after) == (4, None)
    assert dedup_has_run(pool)


def test_without_a_user_name_the_author_is_the_curator(
    pool: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USER", raising=False)
    assert overrule_dedup(pool, "intent_3", keep=True).author == "curator"
    assert list_pairs(pool) == []


def test_an_unknown_intent_and_a_damaged_file_are_named(pool: Project) -> None:
    with pytest.raises(NotFoundError, match="intents pairs"):
        overrule_dedup(pool, "intent_9", keep=True)
    assert not pool.paths.overrules.exists()
    pool.paths.overrules.write_text('{"intent_id": 1}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"overrules\.jsonl:1"):
        read_kept_intents(pool)
    with Catalog.open(pool) as catalog:
        assert "overrules.jsonl:1" in catalog.problems[0]


def test_meaning_needs_vectors_and_the_rest_does_not(pool: Project) -> None:
    with pytest.raises(InputError, match="embed first"):
        dedup_intents(pool)
    done = dedup_intents(pool, semantic=False)
    assert (done.n_intents, done.n_kept, done.n_dropped) == (4, 2, 2)
    assert done.by_method == {"exact": 1, "lexical": 1, "semantic": 0}
    assert (done.vendi_before, done.vendi_after) == (None, None)


def test_dedup_tells_the_vendi_score_before_and_after(pool: Project) -> None:
    texts = [i.utterance for i in read_intents(pool)]
    append_vectors(pool, pool.settings.embedder.model, texts, HashingEmbedder().encode(texts))
    overrule_dedup(pool, "intent_1", keep=True)
    overrule_dedup(pool, "intent_3", keep=False)
    done = dedup_intents(pool, Thresholds(lexical=1.0, cosine=0.5, words=0.0))
    assert done.overruled == {"keep": 1, "drop": 1}
    assert done.n_kept == 2
    assert done.vendi_before is not None
    assert done.vendi_after is not None
    assert 1 < done.vendi_after < done.vendi_before
