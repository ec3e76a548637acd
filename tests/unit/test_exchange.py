from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from engine.errors import InputError
from engine.generation import generate_intents
from engine.intents.exchange import IMPORTED, parse_intents, render_intents, slug_of
from engine.paths import data_dir
from engine.pipeline import export_intents, import_intents
from engine.schema.base import Slug
from engine.store import Project
from engine.store.intents import list_batches, read_batch, read_intents
from engine.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy(data_dir() / "taxonomy", "starter")
SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "isetrace_intents.jsonl"


def foreign(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A record as somebody else would write it."""
    record: dict[str, Any] = {
        "id": f"intent_{number:08x}",
        "natural_language_intent": f"Please count the {number} crates and write the figure into a note.",
        "domains": ["0b7e3c1e-1111-4a4a-8a8a-000000000001"],
        "tasks": ["0b7e3c1e-2222-4a4a-8a8a-000000000001", "0b7e3c1e-2222-4a4a-8a8a-000000000002"],
        "persona_id": "0b7e3c1e-3333-4a4a-8a8a-000000000001",
        "tools_used": [],
        "skills_used": [],
        "complexity": "simple",
        "metadata": {
            "persona": {
                "name": "Ife Bello",
                "role": "Harbour clerk",
                "industry": "Shipping",
                "expertise": ["tallies"],
                "experience_level": "Mid-level",
                "communication_style": "Direct",
                "work_context": "Counts crates at a small harbour.",
            },
            "domains": [
                {
                    "name": "file-io",
                    "description": "Files.",
                    "selected_tasks": [
                        {"name": "Count Crates", "description": "Count."},
                        {"name": "Write a Note", "description": "Write."},
                    ],
                }
            ],
        },
    }
    return record | changes


def lines(*records: object) -> list[bytes]:
    return [json.dumps(r).encode() for r in records]


def test_our_own_intents_come_back_as_the_same_cells_personas_and_words(
    project: Project, tmp_path: Path
) -> None:
    made = generate_intents(project, 40, seed=3).intents
    assert export_intents(project, tmp_path / "out.jsonl") == 40
    other = Project.create(tmp_path / "other")
    parsed = import_intents(other, tmp_path / "out.jsonl")
    assert parsed.problems == []
    assert [(i.intent_id, i.cell, i.utterance) for i in parsed.intents] == [
        (i.intent_id, i.cell, i.utterance) for i in made
    ]
    kept_back = {"leans", "weight", "quota"}
    assert [i.persona.model_dump(exclude=kept_back) for i in parsed.intents] == [
        i.persona.model_dump(exclude=kept_back) for i in made
    ]
    note = read_batch(other, list_batches(other)[0])
    assert note
    assert (note.origin, note.n_intents) == ("import", 40)


def test_an_export_has_the_papers_fields(project: Project) -> None:
    (intent, *_) = generate_intents(project, 3, seed=3).intents
    record = json.loads(next(render_intents([intent], TAXONOMY)))
    assert list(record) == [
        "id",
        "natural_language_intent",
        "domains",
        "tasks",
        "persona_id",
        "tools_used",
        "skills_used",
        "complexity",
        "metadata",
    ]
    assert all(len(name) == 36 for name in (*record["domains"], *record["tasks"], record["persona_id"]))
    told = [t["name"] for d in record["metadata"]["domains"] for t in d["selected_tasks"]]
    assert sorted(told) == sorted(TAXONOMY.task_by_id[t].name for t in intent.cell.task_ids)


def test_names_of_a_foreign_record_become_ids() -> None:
    (intent,) = parse_intents(lines(foreign()), TAXONOMY).intents
    assert intent.cell.domain_ids == ("file-io",)
    assert intent.cell.task_ids == ("count-crates", "write-a-note")
    assert intent.persona.experience_level == "mid"
    assert intent.taxonomy_version == IMPORTED


BROKEN: list[tuple[bytes, str]] = [
    (b"{", "not valid JSON"),
    (b"[1, 2]", "not a JSON object"),
    (b'{"query": "What is the time?"}', "direct query"),
    (json.dumps(foreign(complexity="huge")).encode(), "complexity"),
    (json.dumps(foreign(natural_language_intent="")).encode(), "natural_language_intent"),
    (json.dumps(foreign(id="../etc")).encode(), "id:"),
    (json.dumps(foreign(tasks=["a", "a", "a"])).encode(), "twice"),
    (json.dumps({k: v for k, v in foreign().items() if k != "metadata"}).encode(), "metadata"),
    (b"\xff\xfe{}", "not valid JSON"),
    (b"[" * 100_000, "not valid JSON"),
    (b'{"cell": 1}', "intent_id"),
]


@pytest.mark.parametrize(("line", "reason"), BROKEN, ids=[str(n) for n in range(len(BROKEN))])
def test_a_broken_line_costs_itself_only(line: bytes, reason: str) -> None:
    parsed = parse_intents([*lines(foreign(1)), line, b"", *lines(foreign(2))], TAXONOMY)
    assert [i.intent_id for i in parsed.intents] == ["intent_00000001", "intent_00000002"]
    (problem,) = parsed.problems
    assert problem.line == 2
    assert reason in problem.reason
    assert "\n" not in problem.reason


def test_three_broken_lines_of_a_thousand_are_named_and_the_rest_comes_in(
    project: Project, tmp_path: Path
) -> None:
    written = lines(*(foreign(n) for n in range(1000)))
    written[10], written[500], written[999] = b'{"id": 3}', b"no json", written[0]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(written))
    parsed = import_intents(project, path)
    assert [p.line for p in parsed.problems] == [11, 501, 1000]
    assert "is in line 1 already" in parsed.problems[2].reason
    assert len(read_intents(project)) == 997
    with pytest.raises(InputError, match="no new intent"):
        import_intents(project, path)
    assert len(list_batches(project)) == 1


def test_half_a_character_is_mended() -> None:
    line = json.dumps(foreign(natural_language_intent="caf\ud800 please")).encode()
    (intent,) = parse_intents([line], TAXONOMY).intents
    intent.model_dump_json().encode()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_line_whatever_raises(line: bytes) -> None:
    parsed = parse_intents([line], TAXONOMY)
    assert isinstance(parsed.intents, list)


@given(st.text(max_size=200))
def test_an_id_made_of_a_name_is_a_slug_or_empty(name: str) -> None:
    if slug := slug_of(name):
        TypeAdapter(Slug).validate_python(slug)


@pytest.mark.skipif(not SAMPLES.is_file(), reason="samples are not beside this checkout")
def test_the_papers_own_records_come_in_whole() -> None:
    parsed = parse_intents(SAMPLES.read_bytes().splitlines(), TAXONOMY)
    assert parsed.problems == []
    assert len(parsed.intents) == 4
    assert parsed.intents[0].persona.name == "Amara Okafor"
