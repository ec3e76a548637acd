from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError, ModelError, StudioError
from engine.intents.coverage import coverage
from engine.intents.gate import problem_with, problem_with_answer
from engine.intents.realize import intent_id, realize_scripted
from engine.intents.realize_model import MAX_TRIES, realize_with_model
from engine.intents.sample import sample_cells
from engine.intents.story import MAX_WORDS, MIN_WORDS, n_words
from engine.paths import data_dir
from engine.playbooks import load_lexicons, load_playbooks, load_voice, register_of, slots_in
from engine.schema.chat import ChatMessage, Completion, ModelInfo, ToolSchema, Usage
from engine.schema.intent import Cell, Intent
from engine.schema.playbook import Lexicon, Playbook, Register
from engine.schema.taxonomy import ComplexityLevel, ExperienceLevel, Task, Taxonomy
from engine.taxonomy import load_taxonomy
from tests.builders import make_persona

FOLDER = data_dir() / "playbooks"
TAXONOMY = load_taxonomy(data_dir() / "taxonomy", "starter")
PLAYBOOKS = load_playbooks(FOLDER)
LEXICONS = load_lexicons(FOLDER)
VOICE = load_voice(FOLDER)
ASSISTANT = re.compile(
    r"\b(let me|i'll (run|create|write|execute|implement|go ahead)|i've (created|written|fixed)|happy to help"
    r"|can i help|shall i|would you like me|do you want me|is there anything else)\b",
    re.IGNORECASE,
)


def realize(
    cells: Sequence[Cell], seed: int = 1, playbooks: Mapping[str, Playbook] = PLAYBOOKS
) -> list[Intent]:
    return realize_scripted(cells, TAXONOMY, playbooks, LEXICONS, VOICE, seed)


def changed(**fields: Any) -> Taxonomy:
    """The starter with other entries: built anew, since a copy would keep what is cached."""
    return Taxonomy(**{name: getattr(TAXONOMY, name) for name in Taxonomy.model_fields} | fields)


def test_a_thousand_utterances_are_different_whole_and_of_the_right_length() -> None:
    intents = realize(sample_cells(TAXONOMY, 1000, 4))
    texts = [i.utterance for i in intents]
    assert len(set(texts)) == len({i.intent_id for i in intents}) == 1000
    for text in texts:
        assert MIN_WORDS <= n_words(text) <= MAX_WORDS
        assert problem_with(text) == ""
        assert "<<" not in text
        assert "  " not in text
        assert not ASSISTANT.search(text)
        assert text[0] == text[0].upper()
        assert text[-1] in ".!?"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_an_utterance_depends_on_seed_and_cell_alone(seed: int, data: st.DataObject) -> None:
    cells = sample_cells(TAXONOMY, 6, seed)
    shuffled = data.draw(st.permutations(cells))
    assert sorted(realize(cells, seed), key=lambda i: i.intent_id) == sorted(
        realize(shuffled, seed), key=lambda i: i.intent_id
    )
    assert realize(cells[:1], seed) == realize(cells, seed)[:1]
    assert realize(cells[:1], seed) != realize(cells[:1], seed + 1)


def test_tasks_are_named_in_order_and_with_the_values_in_the_details() -> None:
    for intent in realize(sample_cells(TAXONOMY, 200, 9)):
        details = intent.details
        names = [n for n in details if ":" not in n]
        assert {"dir", "topic", "items", "colleague", "n1", "trouble", "stake"} <= set(names)
        assert {n.split(":")[0] for n in details if ":" in n} <= set(intent.cell.task_ids)
        positions = [_position_of(task_id, intent) for task_id in intent.cell.task_ids]
        assert positions == sorted(positions)
        assert intent.persona == TAXONOMY.persona_by_id[intent.cell.persona_id]


def _position_of(task_id: str, intent: Intent) -> int:
    """Where the utterance names the task, in a mention or in short words, filled from the details."""
    known = {n: v for n, v in intent.details.items() if ":" not in n}
    prefix = f"{task_id}:"
    known |= {n.removeprefix(prefix): v for n, v in intent.details.items() if n.startswith(prefix)}
    text = intent.utterance.lower()
    found = []
    for words in (*PLAYBOOKS[task_id].mentions, *PLAYBOOKS[task_id].clauses):
        filled = re.sub(r"<<(\w+)>>", lambda m: known.get(m[1], m[0]), words)
        if filled.lower() in text:
            found.append(text.index(filled.lower()))
    assert found, f"{task_id} is not named in: {intent.utterance}"
    return min(found)


def test_trouble_and_stake_are_told_at_most_once() -> None:
    for intent in realize(sample_cells(TAXONOMY, 300, 2)):
        text = intent.utterance.lower()
        counts = [text.count(intent.details[name].lower()) for name in ("trouble", "stake")]
        assert max(counts) <= 1
        assert sum(counts) >= 1


def test_a_task_without_a_playbook_is_named_by_description_or_name() -> None:
    cell = Cell(
        persona_id="amara-okafor",
        domain_ids=("file-io", "multimedia"),
        task_ids=("csv-to-json", "draw-chart", "merge-files"),
        complexity=ComplexityLevel.SIMPLE,
    )
    for seed in range(20):
        intent = realize_scripted([cell], TAXONOMY, {}, LEXICONS, VOICE, seed)[0]
        for task_id in cell.task_ids:
            task = TAXONOMY.task_by_id[task_id]
            words = (task.name.lower(), task.description.rstrip(".").lower())
            assert any(w in intent.utterance.lower() for w in words)
        assert MIN_WORDS <= n_words(intent.utterance) <= MAX_WORDS


def test_clauses_are_short_and_their_slots_are_known() -> None:
    story = set(LEXICONS["default"].slots) | set(LEXICONS["default"].threads[0])
    for playbook in PLAYBOOKS.values():
        assert len(playbook.clauses) >= 3
        for clause in playbook.clauses:
            assert slots_in(clause) <= story | set(playbook.slots)
            assert "," not in clause
            assert 2 <= n_words(clause) <= 14
    for manner in VOICE.registers.values():
        assert all(slots_in(text) >= {"clauses"} for text in manner.lists)


@settings(max_examples=40, deadline=None)
@given(
    descriptions=st.lists(st.text(min_size=1, max_size=400).filter(str.strip), min_size=6, max_size=6),
    seed=st.integers(0, 1000),
)
def test_descriptions_of_any_length_never_make_an_utterance_too_long(
    descriptions: list[str], seed: int
) -> None:
    tasks = tuple(
        Task(task_id=f"t{i}", domain_id=("file-io", "multimedia")[i % 2], name=f"Job {i}", description=text)
        for i, text in enumerate(descriptions)
    )
    taxonomy = changed(tasks=tasks)
    cell = Cell(
        persona_id="amara-okafor",
        domain_ids=("file-io", "multimedia"),
        task_ids=tuple(t.task_id for t in tasks),
        complexity=ComplexityLevel.COMPLEX,
    )
    intent = realize_scripted([cell], taxonomy, {}, LEXICONS, VOICE, seed)[0]
    assert n_words(intent.utterance) <= MAX_WORDS


def test_cells_of_another_taxonomy_are_refused() -> None:
    cell = sample_cells(TAXONOMY, 1, 1)[0]
    with pytest.raises(InputError, match="no persona 'nobody'"):
        realize([cell.model_copy(update={"persona_id": "nobody"})])
    with pytest.raises(InputError, match="no task 'nothing'"):
        realize([cell.model_copy(update={"task_ids": ("nothing",)})])


def test_every_industry_has_a_lexicon_of_its_own_with_all_story_slots() -> None:
    wanted = {"system", "place", "host", "code", "team", "colleague", "day", *(f"n{i}" for i in range(1, 7))}
    thread = {"dir", "topic", "item", "items", "metric", "metric_words", "trouble", "stake"}
    assert {p.industry for p in TAXONOMY.personas} | {"default"} == set(LEXICONS)
    folders = [t["dir"] for lexicon in LEXICONS.values() for t in lexicon.threads]
    assert len(folders) == len(set(folders))
    for lexicon in LEXICONS.values():
        assert set(lexicon.slots) == wanted
        assert len(lexicon.threads) >= 4
        assert all(len(lexicon.slots[n]) >= 4 for n in ("system", "place", "host", "code", "team"))  # type: ignore[arg-type]
        for values in lexicon.threads:
            assert set(values) == thread
            assert re.fullmatch(r"[a-z][a-z0-9_]{2,19}", values["dir"])
            assert re.fullmatch(r"[a-z][a-z0-9_]*", values["metric"])


def test_the_voice_is_rich_and_speaks_as_a_user() -> None:
    story = set(LEXICONS["default"].slots) | set(LEXICONS["default"].threads[0])
    own = {"my_name", "my_role", "my_field"}
    extra = {
        "lists": {"clauses"},
        "openings": own,
        "closings": own,
        "greetings": {"my_name"},
        "acknowledgements": {"created"},
        "recovered": {"failed_command", "exit_code"},
        "failures": {"failed_command", "exit_code"},
        "references": {"created", "earlier"},
    }
    assert set(VOICE.registers) == set(Register)
    for manner in VOICE.registers.values():
        assert len(manner.openings) >= 8
        for name, phrases in manner.model_dump().items():
            assert len(phrases) >= 4
            for phrase in phrases:
                assert slots_in(phrase) <= story | extra.get(name, set())
                assert not ASSISTANT.search(phrase)
        assert all("<<created>>" in p for p in manner.acknowledgements)
        for name in ("recovered", "failures"):
            phrases = getattr(manner, name)
            assert all("failed_command" in slots_in(p) for p in phrases)
            # A file tool has no exit code, so some phrases do without.
            assert 2 <= sum("exit_code" not in slots_in(p) for p in phrases) < len(phrases) / 2


def test_all_registers_are_spoken_and_a_style_decides_before_the_level() -> None:
    assert {register_of(p, VOICE) for p in TAXONOMY.personas} == set(Register)
    blunt = make_persona(communication_style="Blunt", experience_level=ExperienceLevel.EXECUTIVE)
    assert register_of(blunt, VOICE) is Register.TERSE


def test_an_unknown_industry_takes_the_default_lexicon() -> None:
    persona = make_persona(persona_id="x", industry="Space Travel")
    taxonomy = changed(personas=(persona,))
    cells = sample_cells(taxonomy, 5, 1)
    lexicons: dict[str, Lexicon] = {"default": LEXICONS["default"]}
    intents = realize_scripted(cells, taxonomy, PLAYBOOKS, lexicons, VOICE, 1)
    topics = {t["topic"] for t in LEXICONS["default"].threads}
    assert {i.details["topic"] for i in intents} <= topics


def test_an_intents_id_is_the_hash_of_cell_and_utterance() -> None:
    cell = sample_cells(TAXONOMY, 1, 1)[0]
    assert intent_id(cell, "a") == intent_id(cell, "a") != intent_id(cell, "b")
    assert re.fullmatch(r"intent_[0-9a-f]{12}", intent_id(cell, "a"))


# --- with a model


class Replies:
    """A chat model that answers from a function of what it was asked and how often it was asked before."""

    def __init__(self, reply: Callable[[Sequence[ChatMessage]], str]) -> None:
        self._reply = reply
        self._lock = threading.Lock()
        self.asked: list[Sequence[ChatMessage]] = []

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(provider="openai", model="replies")

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[ToolSchema] = (),
        response_schema: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> Completion:
        with self._lock:
            self.asked.append(messages)
        return Completion(content=self._reply(messages), usage=Usage(n_calls=1, completion_tokens=7))


def good_text(messages: Sequence[ChatMessage]) -> str:
    """A sound utterance that differs with the prompt."""
    name = re.search(r"- Name: (.*)", messages[1].content)
    tasks = " ".join(re.findall(r"^- ([A-Z][\w ]+):", messages[1].content, re.MULTILINE))
    assert name
    return f"I am {name[1]} and I need this: {tasks}. " + "My ledger has to balance before Friday. " * 9


def answer(text: str, asks: Sequence[str] | None = None) -> str:
    return json.dumps({"utterance": text} | ({} if asks is None else {"asks": asks}))


def test_a_model_realises_every_cell_and_the_records_say_how() -> None:
    cells = sample_cells(TAXONOMY, 12, 3)
    model = Replies(lambda m: f"```json\n{answer(good_text(m))}\n```")
    seen: list[tuple[int, int]] = []
    result = realize_with_model(cells, TAXONOMY, model, 5, lambda a, b: seen.append((a, b)))
    assert [i.cell for i in result.intents] == cells
    assert result.failures == ()
    assert result.usage.n_calls == 12
    assert seen == [(i, 12) for i in range(1, 13)]
    realization = result.intents[0].realization
    assert (realization.provider, realization.model, realization.seed) == ("openai", "replies", 5)
    assert realization.prompt_hash
    prompt = next(m[1].content for m in model.asked if result.intents[0].persona.name in m[1].content)
    assert result.intents[0].persona.work_context in prompt


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (answer("Too short, I fear."), "4 words, not 60 to 130"),
        (answer("I want more of it now. " * 40), "240 words"),
        (answer("The ledger has to balance before Friday. " * 10), "not in the first person"),
        (answer("Let me know if my ledger balances. " * 12), "speaks as an assistant"),
        (answer("I need [NAME] to fix my ledger today. " * 10), "placeholder"),
        (answer("I need the attached file checked before we meet. " * 8), "what the reader has not got"),
        (answer("I need my ledger to balance before Friday. " * 10, ["nothing at all"] * 3), "tasks"),
        ("no JSON at all", "not the JSON object"),
        ('{"utterance": 5}', "not the JSON object"),
        ("{" * 5000 + "}", "not the JSON object"),
    ],
)
def test_a_bad_answer_is_asked_for_again_with_the_reason(bad: str, reason: str) -> None:
    cells = sample_cells(TAXONOMY, 1, 3)
    model = Replies(lambda m: answer(good_text(m)) if len(m) > 2 else bad)
    assert len(realize_with_model(cells, TAXONOMY, model, 1).intents) == 1
    assert reason in model.asked[1][-1].content
    stubborn = Replies(lambda m: bad)
    with pytest.raises(StudioError, match=f"after {MAX_TRIES} tries"):
        realize_with_model(cells, TAXONOMY, stubborn, 1)
    assert len(stubborn.asked) == MAX_TRIES


def test_each_task_must_be_asked_for_in_words_of_its_own() -> None:
    cell = next(c for c in sample_cells(TAXONOMY, 20, 3) if len(c.task_ids) == 3)
    persona, tasks = TAXONOMY.persona_by_id[cell.persona_id], [TAXONOMY.task_by_id[t] for t in cell.task_ids]
    text = "I want the notes cut down to a page, the totals checked and the old files packed. " * 4
    asks = ["notes cut down to a page", "the totals checked", "old files packed away"]
    assert problem_with_answer(text, asks, persona, tasks) == ""
    assert problem_with_answer(text, None, persona, tasks) == ""
    assert "there are 3 tasks" in problem_with_answer(text, asks[:2], persona, tasks)
    assert tasks[1].name in problem_with_answer(text, [asks[0], "mail to the board", asks[2]], persona, tasks)
    assert "of its own" in problem_with_answer(text, [asks[0], asks[0], asks[2]], persona, tasks)


@pytest.mark.parametrize(
    ("style", "text", "reason"),
    [
        ("formal, cites the rule", "Hey, I need my ledger to balance before Friday. ", "'Hey' is not how"),
        ("clipped, three words at most", "I need my ledger to balance before Friday and more. ", ""),
        ("clipped, three words at most", "I need my ledger to balance " * 5 + ". ", "sentences are too long"),
        ("warm", "Hey, I need my ledger to balance before Friday. ", ""),
    ],
)
def test_an_utterance_far_from_the_personas_register_is_refused(style: str, text: str, reason: str) -> None:
    persona = TAXONOMY.personas[0].model_copy(update={"communication_style": style})
    text *= 80 // len(text.split())
    problem = problem_with_answer(text, None, persona, ())
    assert reason in problem if reason else problem == ""


def test_a_repeated_answer_is_not_taken_twice() -> None:
    cells = sample_cells(TAXONOMY, 4, 3)
    same = "I need my ledger to balance before Friday. " * 10
    result = realize_with_model(cells, TAXONOMY, Replies(lambda m: answer(same)), 1)
    assert len(result.intents) == 1
    assert len(result.failures) == 3
    assert all("repeats" in f.reason for f in result.failures)


def test_a_cell_that_fails_is_reported_and_the_others_are_kept() -> None:
    cells = sample_cells(TAXONOMY, 10, 3)
    unlucky = TAXONOMY.persona_by_id[cells[4].persona_id].name

    def reply(messages: Sequence[ChatMessage]) -> str:
        if unlucky in messages[1].content:
            raise ModelError("the endpoint said no")
        return answer(good_text(messages))

    result = realize_with_model(cells, TAXONOMY, Replies(reply), 1)
    assert cells[4] in [f.cell for f in result.failures]
    assert all(f.reason == "the endpoint said no" for f in result.failures)
    assert len(result.intents) + len(result.failures) == 10


def test_a_dead_endpoint_is_not_asked_for_every_cell() -> None:
    def reply(_: Sequence[ChatMessage]) -> str:
        raise ModelError("connection refused")

    model = Replies(reply)
    with pytest.raises(StudioError, match="no intent could be realised: connection refused"):
        realize_with_model(sample_cells(TAXONOMY, 200, 3), TAXONOMY, model, 1, n_threads=2)
    assert len(model.asked) <= 8


# --- coverage


def test_coverage_counts_every_entry_and_names_the_holes() -> None:
    intents = realize(sample_cells(TAXONOMY, 40, 1, "domain in (file-io, multimedia) and n_domains=2"))
    found = coverage(intents, TAXONOMY)
    assert found.n_intents == 40
    assert list(found.by_task) == [t.task_id for t in TAXONOMY.tasks]
    assert sum(found.by_domain.values()) == 80
    assert sum(p.n for p in found.by_domain_pair) == 40
    assert len(found.by_domain_pair) == 45
    assert sum(found.by_industry.values()) == sum(found.by_persona.values()) == 40
    for pair in found.by_domain_pair:
        assert ((pair.a, pair.b) in found.holes.domain_pairs) == (pair.n == 0)
    assert set(found.holes.tasks) == {t for t, n in found.by_task.items() if not n}
    assert len(found.holes.personas) >= 40


def test_coverage_of_nothing_is_all_holes_but_for_what_is_never_drawn() -> None:
    personas = (TAXONOMY.personas[0].model_copy(update={"weight": 0.0}), *TAXONOMY.personas[1:])
    found = coverage([], changed(personas=personas))
    assert len(found.holes.tasks) == len(TAXONOMY.tasks)
    assert personas[0].persona_id not in found.holes.personas
    assert len(found.holes.personas) == len(personas) - 1


def test_the_packaged_phrases_are_plain_yaml_without_anchors() -> None:
    for name in ("_lexicon.yaml", "_voice.yaml"):
        text = Path(FOLDER / name).read_text(encoding="utf-8")
        assert not [e for e in yaml.parse(text) if getattr(e, "anchor", None)]


def test_several_processes_write_what_one_writes() -> None:
    cells = sample_cells(TAXONOMY, 60, 8)
    together = realize_scripted(cells, TAXONOMY, PLAYBOOKS, LEXICONS, VOICE, 4, n_processes=2)
    assert together == realize_scripted(cells, TAXONOMY, PLAYBOOKS, LEXICONS, VOICE, 4)
