from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError
from engine.intents.sample import sample_cells
from engine.intents.where import Candidate, parse_where
from engine.paths import data_dir
from engine.schema.intent import Cell
from engine.schema.taxonomy import Complexity, ComplexityLevel, Domain, Persona, Task, Taxonomy
from engine.taxonomy import load_taxonomy, n_combinations
from tests.builders import make_persona

STARTER = load_taxonomy(data_dir() / "taxonomy", "starter")


def small_taxonomy(
    tasks_by_domain: tuple[int, ...] = (2, 1, 2), weights: tuple[float, ...] = (), personas: int = 2
) -> Taxonomy:
    return Taxonomy(
        version="v0001",
        content_hash="0" * 64,
        personas=tuple(make_persona(persona_id=f"p{i}") for i in range(personas)),
        domains=tuple(Domain(domain_id=f"d{i}", description="d") for i in range(len(tasks_by_domain))),
        tasks=tuple(
            Task(
                task_id=f"t{i}-{j}",
                domain_id=f"d{i}",
                name="t",
                description="t",
                weight=weights[i] if weights else 1.0,
            )
            for i, n in enumerate(tasks_by_domain)
            for j in range(n)
        ),
        complexities=(
            Complexity(level=ComplexityLevel.SIMPLE, description="s", prior=0.4, n_tasks={3: 1.0}),
            Complexity(level=ComplexityLevel.COMPLEX, description="c", prior=0.6, n_tasks={4: 1.0, 6: 1.0}),
        ),
    )


def key(cell: Cell) -> tuple[str, frozenset[str], ComplexityLevel]:
    return cell.persona_id, frozenset(cell.task_ids), cell.complexity


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**40), count=st.integers(0, 200))
def test_every_cell_is_whole_and_none_comes_twice(seed: int, count: int) -> None:
    cells = sample_cells(STARTER, count, seed)
    assert len({key(c) for c in cells}) == len(cells) == count
    for cell in cells:
        assert len(cell.domain_ids) in (2, 3)
        assert 3 <= len(cell.task_ids) <= 6
        assert {STARTER.task_by_id[t].domain_id for t in cell.task_ids} == set(cell.domain_ids)
        assert cell.persona_id in STARTER.persona_by_id
        level = next(c for c in STARTER.complexities if c.level is cell.complexity)
        assert level.n_tasks[len(cell.task_ids)] > 0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_the_same_seed_gives_the_same_cells_and_more_of_them_begin_alike(seed: int) -> None:
    assert sample_cells(STARTER, 30, seed) == sample_cells(STARTER, 90, seed)[:30]
    assert sample_cells(STARTER, 30, seed) != sample_cells(STARTER, 30, seed + 1)


def test_the_shares_are_the_papers() -> None:
    cells = sample_cells(STARTER, 20_000, 5)
    shares = Counter(c.complexity for c in cells)
    assert sum(len(c.domain_ids) for c in cells) / 20_000 == pytest.approx(2.35, abs=0.02)
    assert sum(len(c.task_ids) for c in cells) / 20_000 == pytest.approx(4.40, abs=0.03)
    assert shares[ComplexityLevel.SIMPLE] / 20_000 == pytest.approx(0.10, abs=0.01)
    assert shares[ComplexityLevel.MEDIUM] / 20_000 == pytest.approx(0.40, abs=0.015)
    domains = Counter(d for c in cells for d in c.domain_ids)
    # Not equal, since personas lean: what they are due stands in `engine.intents.targets`.
    assert max(domains.values()) / min(domains.values()) < 1.25


def test_every_pair_comes_before_any_comes_much_oftener() -> None:
    taxonomy = small_taxonomy((3,) * 10, personas=60)
    pairs = Counter(p for c in sample_cells(taxonomy, 120, 3) for p in combinations(sorted(c.domain_ids), 2))
    assert len(pairs) == 45
    assert max(pairs.values()) <= 10  # 4.5 on the mean; a plain draw comes to 12 and leaves some out


def test_a_persona_comes_back_to_a_domain_set_only_after_the_others() -> None:
    taxonomy = small_taxonomy((3,) * 6, personas=3)
    cells = [c for c in sample_cells(taxonomy, 90, 3) if len(c.domain_ids) == 2]
    for persona in taxonomy.personas:
        sets = Counter(frozenset(c.domain_ids) for c in cells if c.persona_id == persona.persona_id)
        assert len(sets) >= 14
        assert max(sets.values()) <= 2


def test_leanings_needs_exclusions_and_quotas_are_kept() -> None:
    base = small_taxonomy((4, 4, 4), personas=4)
    fields = {name: getattr(base, name) for name in Taxonomy.model_fields}
    tasks = {t.task_id: t for t in base.tasks}
    tasks["t0-0"] = tasks["t0-0"].model_copy(update={"needs": ("t1-0",)})
    tasks["t2-0"] = tasks["t2-0"].model_copy(update={"excludes": ("t2-1",)})
    tasks["t2-3"] = tasks["t2-3"].model_copy(update={"quota": 0.05})
    personas = (base.personas[0].model_copy(update={"leans": {"d0": 0.0}}), *base.personas[1:])
    taxonomy = Taxonomy(**fields | {"tasks": tuple(tasks.values()), "personas": personas})
    cells = sample_cells(taxonomy, 200, 1)
    for cell in cells:
        if "t0-0" in cell.task_ids:
            assert cell.task_ids.index("t1-0") < cell.task_ids.index("t0-0")
        assert not {"t2-0", "t2-1"} <= {*cell.task_ids}
        assert cell.persona_id != "p0" or "d0" not in cell.domain_ids
    done = Counter(t for c in cells for t in c.task_ids)
    assert 0 < done["t2-3"] <= 0.05 * 200 + 1
    assert min(done.values()) > 0


def test_fifty_thousand_different_cells_can_be_drawn() -> None:
    assert len(set(sample_cells(STARTER, 50_000, 1))) == 50_000


def test_weights_are_respected() -> None:
    personas = tuple(
        p.model_copy(update={"weight": {0: 300.0, 1: 0.0}.get(i, 1.0)})
        for i, p in enumerate(STARTER.personas)
    )
    tasks = tuple(
        t.model_copy(update={"weight": {"csv-to-json": 5.0, "rename-batch": 0.0}.get(t.task_id, 1.0)})
        for t in STARTER.tasks
    )
    fields = {name: getattr(STARTER, name) for name in Taxonomy.model_fields}
    taxonomy = Taxonomy(**fields | {"personas": personas, "tasks": tasks})
    cells = sample_cells(taxonomy, 5000, 3)
    drawn = Counter(c.persona_id for c in cells)
    done = Counter(t for c in cells for t in c.task_ids)
    assert drawn[personas[0].persona_id] / 5000 == pytest.approx(
        300 / (298 + len(STARTER.personas)), abs=0.03
    )
    assert personas[1].persona_id not in drawn
    assert done["rename-batch"] == 0
    assert done["csv-to-json"] > 1.8 * done["merge-files"]


def test_lopsided_weights_do_not_stall_the_draw() -> None:
    taxonomy = small_taxonomy((3, 3, 3), weights=(1000.0, 1e-12, 1e-12))
    assert len(sample_cells(taxonomy, 50, 1)) == 50


def test_a_small_taxonomy_yields_all_its_cells_and_no_more() -> None:
    taxonomy = small_taxonomy()
    possible = n_combinations(taxonomy)
    assert len(sample_cells(taxonomy, possible, 9)) == possible
    with pytest.raises(InputError, match=f"yields {possible} cells"):
        sample_cells(taxonomy, possible + 1, 9)


WHERE = [
    ("domain=file-io", lambda c, p: "file-io" in c.domain_ids),
    ("domain!=file-io", lambda c, p: "file-io" not in c.domain_ids),
    ("not domain=file-io and complexity=COMPLEX", lambda c, p: "file-io" not in c.domain_ids),
    ("industry=healthcare", lambda c, p: p.industry == "Healthcare"),
    ("industry in ('Public Administration', Mining)", lambda c, p: p.industry[0] in "PM"),
    ("task not in (csv-to-json, draw-chart)", lambda c, p: not {"csv-to-json", "draw-chart"} & {*c.task_ids}),
    (
        "persona=imran-qureshi or level=intern",
        lambda c, p: p.name[0] == "I" or p.experience_level == "intern",
    ),
    ("n_tasks=6 AND n_domains=3", lambda c, p: len(c.task_ids) == 6 and len(c.domain_ids) == 3),
    (
        "(task=csv-to-json or task=draw-chart) and not (level=mid or complexity != medium)",
        lambda c, p: p.experience_level != "mid" and c.complexity == "medium",
    ),
    ('role="tour manager" or task=draft-email', lambda c, p: p.name[0] == "I" or "draft-email" in c.task_ids),
    ("level=mid and domain=multimedia or level=lead", lambda c, p: p.experience_level in ("mid", "lead")),
]


@pytest.mark.parametrize(("where", "holds"), WHERE, ids=[w[0] for w in WHERE])
def test_where_narrows_to_the_cells_that_it_says(where: str, holds: object) -> None:
    assert callable(holds)
    cells = sample_cells(STARTER, 60, 11, where)
    assert len(cells) == 60
    assert all(holds(cell, STARTER.persona_by_id[cell.persona_id]) for cell in cells)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("industry=Helthcare", "choose one of Healthcare"),
        ("domain=files", "no domain 'files'; choose one of agent-memory, automation-flow"),
        ("n_tasks=7", "choose one of 3, 4, 5, 6"),
        ("colour=red", r"expected a field \(persona, role"),
        ("domain file-io", "expected '=', '!=' or 'in"),
        ("domain in (file-io", r"character 19 \('the end'\): expected '\)'"),
        ("domain=file-io task=draw-chart", "expected 'and', 'or' or the end"),
        ("domain=file-io and", "character 19"),
        ("not", "expected a field"),
        ("domain='file-io", "expected a value"),
        ("__import__('os')", "expected a field"),
        ("(" * 2000, "nested too deeply"),
        ("not " * 400, "nested too deeply"),
        ("x" * 2001, "exceeds 2000"),
        ("complexity=simple and n_tasks=6", "no persona, complexity or domain set is left"),
        (
            "task=draw-chart and domain=file-io and n_domains=2 and domain=comms-social",
            "found only 0 different cells",
        ),
        ("level=mid and level=lead", "no persona, complexity or domain set is left"),
    ],
)
def test_a_wrong_expression_is_refused_in_one_line(where: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        sample_cells(STARTER, 5, 1, where)
    assert "\n" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=" ()=!,'\"abdomainknot-_.in\n\x00é", max_size=60))
def test_no_expression_whatever_does_more_than_parse_or_be_refused(text: str) -> None:
    try:
        conditions = parse_where(text, STARTER)
    except InputError:
        return
    persona: Persona = STARTER.personas[0]
    assert {condition.holds(Candidate(persona, "simple", ["file-io"], [])) for condition in conditions}
