"""Requests that belong to no task speak only of files that are there, and scripts keep their length."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from engine import build
from engine.paths import data_dir
from engine.playbooks import slots_in, slots_of_task
from engine.providers.hearing import heard_files
from engine.providers.made import Played, choose_files, files_made, lost_files, missing_files, with_parts
from engine.providers.script import Script, write_script
from engine.providers.scripted_chat import ScriptedAgent, ScriptedUser
from engine.providers.short_name import short_name
from engine.schema.chat import ChatMessage, Role
from engine.schema.playbook import Aside, FileOrigin, FileWish, Purpose, Register
from engine.schema.trajectory import Evidence, EvidenceCall
from engine.taxonomy import load_taxonomy
from tests.builders import make_intent

LIBRARY = build.script_library()
assert LIBRARY.asides is not None
ASIDES = LIBRARY.asides.asides
KINDS = [aside.kind for aside in ASIDES]
GOOD = EvidenceCall(tool="exec", summary="make", exit_code=0, failed=False)
BAD = EvidenceCall(tool="exec", summary="make", exit_code=2, failed=True)
TASKS = ("write-handoff", "plan-followups", "csv-to-json")


def played(owner: str, *created: str, said: str = "", is_aside: bool = False, **evidence: object) -> Played:
    fields = {"calls": (GOOD,), "created": created, **evidence}
    return Played(owner, is_aside, said, Evidence.model_validate(fields))


def script_with(kind: str, register: Register = Register.PLAIN) -> Script:
    script = write_script(make_intent(task_ids=TASKS), LIBRARY, seed=1, asides=(kind,))
    assert [act.task_id for act in script.acts if act.is_aside] == [kind]
    return replace(script, register=register)


def aside_turn(script: Script, *turns: Evidence) -> tuple[list[ChatMessage], str]:
    """The messages up to the aside, of a conversation in which those were the turns, and what is asked."""
    place = next(n for n, act in enumerate(script.acts) if act.is_aside)
    evidences = [*turns, *(Evidence(calls=(GOOD,)) for _ in range(place - len(turns)))][:place]
    messages = [ChatMessage(role=Role.SYSTEM, content="s"), ChatMessage(role=Role.USER, content="open")]
    for evidence in evidences:
        messages.append(ChatMessage(role=Role.ASSISTANT, content="do a/one.csv, a/two.csv"))
        content = f"ok\n\n<evidence>\n{evidence.model_dump_json()}\n</evidence>"
        messages.append(ChatMessage(role=Role.USER, content=content))
    return messages, json.loads(ScriptedUser(script).complete(messages).content)["query"]


def test_every_purpose_has_asides_and_there_are_enough_kinds() -> None:
    assert {aside.purpose for aside in ASIDES} == set(Purpose)
    assert len(set(KINDS)) >= 6
    assert not set(KINDS) & set(LIBRARY.playbooks)


@pytest.mark.parametrize("aside", ASIDES, ids=KINDS)
def test_every_wording_of_an_aside_names_each_of_its_files_and_nothing_unknown(aside: Aside) -> None:
    script = script_with(aside.kind)
    known = {
        *slots_of_task(script.details, aside.kind),
        *with_parts(dict.fromkeys(aside.turn.files, "a/b.c")),
    }
    for texts in aside.turn.ask.values():
        for text in texts:
            assert set(aside.turn.files) <= slots_in(text)
            assert slots_in(text) <= known


@pytest.mark.parametrize("register", list(Register))
@pytest.mark.parametrize("aside", ASIDES, ids=KINDS)
def test_the_agent_hears_the_very_files_that_the_user_means(aside: Aside, register: Register) -> None:
    script = script_with(aside.kind, register)
    slots = slots_of_task(script.details, aside.kind)
    files = {name: f"crew_lists/deep-{n}/{name}_v1.2.md" for n, name in enumerate(aside.turn.files)}
    for text in aside.turn.ask[register]:
        said = text
        for name, value in {**slots, **with_parts(files)}.items():
            said = said.replace(f"<<{name}>>", value)
        assert heard_files(aside.turn, slots, f"Good, x/y.md is there. {said}") == files
    assert heard_files(aside.turn, slots, "Something else altogether.") is None


def test_a_user_speaks_of_no_file_where_the_evidence_shows_none() -> None:
    _, query = aside_turn(script_with("other-place"))
    assert not any("/" in word and "." in word.strip(".") for word in query.split())


def test_user_and_agent_mean_the_same_file() -> None:
    script = script_with("other-place")
    made = Evidence(calls=(GOOD,), created=("a/", "a/one.csv", "a/.git/config"))
    messages, query = aside_turn(script, *[made] * 9)
    assert "a/one.csv" in query
    place = sum(m.role is Role.ASSISTANT for m in messages)
    heard = [ChatMessage(role=Role.USER, content="x") for _ in range(place)]
    reply = ScriptedAgent(script).complete([*heard, ChatMessage(role=Role.USER, content=query)])
    assert "cp a/one.csv " in json.loads(reply.tool_calls[0].arguments)["command"]


def test_the_same_messages_give_the_same_words() -> None:
    made = Evidence(calls=(GOOD,), created=("a/one.csv", "a/two.csv"))
    assert aside_turn(script_with("excerpt"), made) == aside_turn(script_with("excerpt"), made)


def test_a_file_is_there_until_the_evidence_says_that_it_is_deleted() -> None:
    turns = [played("one", "a/x.csv", "a/b/y.csv", "a/z.csv"), played("two", deleted=("a/x.csv", "a/b/"))]
    assert set(files_made(turns)) == {"a/z.csv"}


def test_a_file_of_a_turn_that_failed_is_not_spoken_of() -> None:
    assert files_made([played("one", "a/x.csv", calls=(GOOD, BAD))]) == {}


def test_nothing_is_taken_for_granted_after_a_turn_that_deleted_more_than_the_evidence_holds() -> None:
    many = tuple(f"a/{n}.csv" for n in range(40))
    assert files_made([played("one", "b/x.csv"), played("two", deleted=many)]) == {}


def test_files_that_were_asked_for_by_name_come_first_and_asides_own_files_never() -> None:
    turns = [
        played("one", "a/asked.csv", "a/helper.py", said="I need a/asked.csv"),
        played("extra", "a/extra.csv", is_aside=True),
        played("two", "a/second.csv"),
    ]
    wishes = {"earlier": FileWish(origin=FileOrigin.EARLIER), "created": FileWish(endings=(".csv",))}
    chosen = choose_files(wishes, turns, script_with("excerpt").rng("x"))
    assert chosen == {"earlier": "a/asked.csv", "created": "a/second.csv"}
    assert choose_files({"f": FileWish(endings=(".md",))}, turns, script_with("excerpt").rng("x")) is None


def test_a_file_that_was_taken_as_done_and_then_deleted_by_another_task_is_lost() -> None:
    first = played("one", "a/x.csv")
    thanks = played("two", said="Good, a/x.csv is there.")
    gone = played("three", deleted=("a/x.csv",))
    assert lost_files([first, thanks, gone]) == ["a/x.csv"]
    assert lost_files([first, thanks, played("one", deleted=("a/x.csv",))]) == []
    assert lost_files([first, thanks, gone, played("three", "a/x.csv")]) == []


def test_a_file_that_was_asked_for_by_its_path_and_never_made_is_missed() -> None:
    first = played(
        "one", "a/x.csv", "a/b/north.txt", said="I need a/x.csv, a/y.csv and a/b/NAME.txt, old/z.csv."
    )
    assert missing_files([first], "a") == ["a/y.csv"]
    assert missing_files([first, played("two", "a/y.csv")], "a") == []
    many = played("two", *(f"a/{n}.csv" for n in range(40)))
    assert missing_files([first, many], "a") == [], "the evidence may have left it out"


@pytest.mark.parametrize(
    ("summary", "name"),
    [
        ("cd /workspace && python3 a/run.py --all", "python3 a/run.py"),
        ("cd /workspace && python3 - <<'PY' import os && x PY", "python3"),
        ("cd /workspace total=$(find a && true) echo x", "the command"),
        ("set -e cd /workspace make check", "make check"),
        ("mkdir -p a && cp b a/", "cp b a/"),
        ("cd a && timeout 1 bash rehearse.sh 8 755", "bash rehearse.sh"),
        ("head -n 7 a.txt", "head"),
        ("for f in *; do cat $f; done", "the command"),
        ("grep 'a && b' x", "grep"),
    ],
)
def test_a_command_is_named_as_a_person_would_name_it(summary: str, name: str) -> None:
    assert short_name(EvidenceCall(tool="exec", summary=summary, exit_code=1, failed=True)) == name


def test_scripts_are_as_long_as_the_papers_conversations_and_end_with_the_double_check() -> None:
    tasks = [task.task_id for task in load_taxonomy(data_dir() / "taxonomy", "starter").tasks]
    n_tasks = (3, 3, 4, 4, 4, 4, 5, 5, 5, 6)
    scripts = [
        write_script(make_intent(f"{n}", task_ids=tasks[n % 120 :][: n_tasks[n % 10]]), LIBRARY, seed=n)
        for n in range(240)
    ]
    lengths = [len(script.acts) for script in scripts]
    assert 7 <= sum(lengths) / len(lengths) <= 9
    assert sum(6 <= n <= 10 for n in lengths) >= 0.85 * len(lengths)
    assert sum(any(act.is_aside for act in script.acts) for script in scripts) >= 0.5 * len(scripts)
    assert all(act.task_id == "closing" for s in scripts for act in s.acts[s.closing :])
    assert {script.n_closing for script in scripts} == {1, 2}


def test_one_task_alone_has_no_asides() -> None:
    script = write_script(make_intent(task_ids=("csv-to-json",)), LIBRARY, seed=5)
    assert not any(act.is_aside for act in script.acts)


@pytest.mark.parametrize("register", list(Register))
def test_every_register_has_phrases_enough_that_no_two_users_sound_alike(register: Register) -> None:
    manner = LIBRARY.voice.registers[register]
    assert len(set(manner.acknowledgements)) >= 25
    for pool in ("plain_acknowledgements", "recovered", "failures", "double_checks", "references"):
        assert len(set(getattr(manner, pool))) >= 15, pool
    for phrases in (manner.recovered, manner.failures):
        assert sum("exit_code" not in slots_in(text) for text in phrases) >= 5
        assert all("failed_command" in slots_in(text) for text in phrases)
