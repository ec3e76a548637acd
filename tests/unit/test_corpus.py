"""A corpus in figures: counted from the tables, and likeness exact over all pairs."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog import Catalog, TrajectoryFilter
from engine.cli.corpus import corpus_json, corpus_text
from engine.curate.corpus import corpus_of
from engine.curate.likeness import largest_share, sentences
from engine.paths import data_dir
from engine.schema.sandbox import ChangeKind
from engine.store.project import Project
from engine.taxonomy import load_taxonomy
from tests.builders import make_call, make_change, make_project, make_trajectory, make_turn, save_run

TAXONOMY = load_taxonomy(data_dir() / "taxonomy", "starter")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def test_sentences_are_the_same_whatever_their_case_and_marks() -> None:
    said = sentences(["Good, a/b.csv is there! Next.", "good: a/b.csv is there.\n\nnext"])
    assert said == {"good a b csv is there", "next"}


def test_a_file_name_or_a_number_does_not_end_a_sentence() -> None:
    assert sentences(["Take v1.2 of a.csv."]) == {"take v1 2 of a csv"}


@settings(deadline=None)
@given(st.lists(st.sets(st.sampled_from("abcdefgh")), max_size=12))
def test_the_largest_share_is_the_one_that_comparing_all_pairs_finds(said: list[set[str]]) -> None:
    shares = [len(a & b) / min(len(a), len(b)) for a, b in combinations(said, 2) if a and b]
    found = largest_share(said)
    assert found.share == pytest.approx(max(shares, default=0.0))
    assert found.n_pairs == len(said) * (len(said) - 1) // 2
    if found.pair:
        one, other = (said[place] for place in found.pair)
        assert len(one & other) / min(len(one), len(other)) == pytest.approx(found.share)


def test_an_empty_corpus_has_no_figures_and_no_error(project: Project) -> None:
    with Catalog.open(project) as catalog:
        corpus = corpus_of(catalog, TAXONOMY, TrajectoryFilter())
    assert (corpus.n, corpus.user_turns_mean, corpus.named_files_there) == (0, None, None)
    assert "23,132" in corpus_text(corpus)


def test_the_figures_are_those_of_the_records(project: Project) -> None:
    made = make_call("touch a/x.csv", changes=(make_change("a/x.csv"), make_change("a/y.csv")))
    gone = make_call("rm a/y.csv", call_id="call_2", changes=(make_change("a/y.csv", ChangeKind.DELETED),))
    turns = (
        make_turn(made, index=0, text="Make a/x.csv and a/y.csv, please."),
        make_turn(gone, index=1, text="Good, a/x.csv is there. Now a/y.csv has to go."),
        make_turn(index=2, text="Good, a/y.csv is there, and a/y.csv.bak was never made."),
    )
    save_run(project, make_trajectory("t-1", *turns))
    with Catalog.open(project) as catalog:
        corpus = corpus_of(catalog, TAXONOMY, TrajectoryFilter())
    assert (corpus.n, corpus.user_turns_mean, corpus.tool_calls_mean) == (1, 3.0, 2.0)
    assert corpus.named_files == 3, "x and y in the second message, y in the third"
    assert corpus.named_files_there == pytest.approx(2 / 3)
    assert corpus_json(corpus)["paper"]["user_turns_mean"] == 8.12
