from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.curate.selections import save_selection
from engine.curate.splits import Asked, check_split, cut, group_by_intent, make_split, parse_ratios
from engine.errors import InputError, NotFoundError, QueryError
from engine.schema.split import Split
from engine.store.curation import (
    list_selections,
    list_splits,
    read_selection,
    read_split,
    write_split,
)
from engine.store.project import Project
from tests.builders import NOON, make_intent, make_project, make_trajectory, save_run

RATIOS = {"train": 0.8, "validation": 0.1, "test": 0.1}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Twenty intents played twice each, one of them again in capitals under another id."""
    project = make_project(tmp_path / "project")
    intents = [make_intent(f"Sort shelf number {n}.") for n in range(20)]
    intents.append(make_intent("SORT shelf   number 3"))
    save_run(
        project,
        *(make_trajectory(f"t-{n:02}-{k}", intent=i) for n, i in enumerate(intents) for k in range(2)),
    )
    save_selection(project, "all", "true")
    return project


def test_a_selection_is_saved_with_what_it_selected(project: Project) -> None:
    saved = save_selection(project, "few", "trajectory_id < 't-02'")
    assert saved.trajectory_ids == ("t-00-0", "t-00-1", "t-01-0", "t-01-1")
    assert read_selection(project, "few") == saved
    assert [s.name for s in list_selections(project)] == ["all", "few"]


@pytest.mark.parametrize("name", ["", "Upper", "../up", ".hidden", "a/b", "a" * 81, "a\n"])
def test_a_name_that_is_no_file_name_is_refused(project: Project, name: str) -> None:
    with pytest.raises(InputError):
        save_selection(project, name, "true")
    with pytest.raises(InputError):
        make_split(project, name, "all", RATIOS, seed=1)
    with pytest.raises(NotFoundError):
        read_selection(project, name)
    with pytest.raises(NotFoundError):
        read_split(project, name)


def test_a_wrong_condition_saves_nothing(project: Project) -> None:
    with pytest.raises(QueryError):
        save_selection(project, "bad", "n_turns > 0) --")
    assert [s.name for s in list_selections(project)] == ["all"]


def test_a_split_keeps_an_intent_and_its_repeats_in_one_part(project: Project) -> None:
    split = make_split(project, "first", "all", RATIOS, seed=1)
    assert read_split(project, "first") == split
    assert list_splits(project) == [split]
    listed = sorted(i for ids in split.parts.values() for i in ids)
    assert listed == list(read_selection(project, "all").trajectory_ids)
    home = {i: part for part, ids in split.parts.items() for i in ids}
    assert home["t-03-0"] == home["t-03-1"] == home["t-20-0"] == home["t-20-1"]
    report = check_split(project, "first")
    assert report.ok
    assert sum(report.sizes.values()) == 42
    assert sum(report.n_intents.values()) == 20
    assert all(abs(d) < 0.1 for d in report.deviations.values())


def test_a_split_follows_its_seed(project: Project) -> None:
    first = make_split(project, "a", "all", RATIOS, seed=1)
    again = make_split(project, "b", "all", RATIOS, seed=1)
    other = make_split(project, "c", "all", RATIOS, seed=2)
    assert first.parts == again.parts != other.parts


def test_a_check_tells_what_is_wrong(project: Project) -> None:
    parts = {"train": ("t-03-0", "t-00-0", "gone"), "test": ("t-20-1", "t-00-0")}
    bad = Split(
        name="bad", selection="all", seed=1, ratios={"train": 0.5, "test": 0.5}, parts=parts, created_at=NOON
    )
    write_split(project, bad)
    report = check_split(project, "bad")
    assert not report.ok
    assert report.missing == ("gone",)
    assert report.repeated == ("t-00-0",)
    assert len(report.shared_intents) == 2
    assert report.deviations == {"train": 0.1, "test": -0.1}


def test_a_selection_with_gone_trajectories_cannot_be_cut(project: Project) -> None:
    project.paths.run("run-1").trajectory("t-05-0").unlink()
    with pytest.raises(InputError, match="1 trajectories of selection 'all' are gone"):
        make_split(project, "late", "all", RATIOS, seed=1)
    assert list_splits(project) == []


def test_fewer_intents_than_parts_cannot_be_cut(project: Project) -> None:
    save_selection(project, "two", "trajectory_id < 't-02'")
    with pytest.raises(InputError, match="3 parts need as many distinct intents, and the selection has 2"):
        make_split(project, "small", "two", RATIOS, seed=1)
    save_selection(project, "none", "false")
    with pytest.raises(InputError, match="has 0"):
        make_split(project, "empty", "none", {"train": 1.0}, seed=1)


WRONG = (
    "", "train", "train=x", "train=0.5", "train=0.5,train=0.5", "train=1.5,test=-0.5", "Train=1", "a=nan",
    "a=inf", "train=1,", "../x=1", "a-b=0.5,a_b=0.5",
)  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_wrong_ratios_are_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_ratios(text)
    assert "\n" not in str(caught.value)


def test_ratios_are_read_in_their_order() -> None:
    assert list(parse_ratios("train=0.9, validation=0.05 ,test=0.05").items()) == [
        ("train", 0.9),
        ("validation", 0.05),
        ("test", 0.05),
    ]


ASKED = st.lists(
    st.builds(
        Asked,
        trajectory_id=st.integers(0, 10**6).map(lambda n: f"t-{n}"),
        intent_id=st.integers(0, 30).map(lambda n: f"i-{n}"),
        utterance=st.sampled_from(["Do a.", "do A!", "Do b.", "…", "?!", "Do c, please."])
        | st.text(min_size=1),
    ),
    max_size=60,
    unique_by=lambda a: a.trajectory_id,
)
WEIGHTS = st.lists(st.integers(0, 20), min_size=1, max_size=5).filter(any)


@given(ASKED)
def test_groups_hold_everything_once_and_share_neither_id_nor_words(asked: list[Asked]) -> None:
    groups = group_by_intent(asked)
    assert sorted(a for group in groups.values() for a in group) == sorted(asked)
    homes = [
        {f"id {a.intent_id}" for a in group} | {f"words {a.utterance.casefold()}" for a in group}
        for group in groups.values()
    ]
    assert sum(map(len, homes)) == len(set[str]().union(*homes))


@given(ASKED, WEIGHTS, st.integers())
def test_a_cut_is_whole_disjoint_near_its_ratios_and_repeatable(
    asked: list[Asked], weights: list[int], seed: int
) -> None:
    ratios = {f"p{n}": weight / sum(weights) for n, weight in enumerate(weights)}
    groups = group_by_intent(asked)
    positive = [part for part, ratio in ratios.items() if ratio > 0]
    if len(groups) < len(positive):
        with pytest.raises(InputError):
            cut(asked, ratios, seed)
        return
    parts = cut(asked, ratios, seed)
    assert parts == cut(list(reversed(asked)), ratios, seed)
    assert sorted(i for ids in parts.values() for i in ids) == sorted(a.trajectory_id for a in asked)
    assert all(bool(parts[part]) == (part in positive) for part in ratios)
    home = {i: part for part, ids in parts.items() for i in ids}
    for group in groups.values():
        assert len({home[a.trajectory_id] for a in group}) == 1
    largest = max((len(group) for group in groups.values()), default=0)
    for part in positive:
        assert len(parts[part]) - ratios[part] * len(asked) <= largest
