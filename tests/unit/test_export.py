from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from engine.catalog import Catalog
from engine.curate.export import export, json_line
from engine.curate.formats.openai import to_record
from engine.curate.selections import save_selection
from engine.curate.splits import make_split
from engine.errors import InputError, NotFoundError
from engine.schema.chat import ModelInfo, ToolSchema
from engine.schema.trajectory import Step, StopReason, Trajectory, Turn, Utterance
from engine.store.curation import write_split
from engine.store.project import Project
from tests.builders import (
    make_call,
    make_intent,
    make_persona,
    make_project,
    make_provenance,
    make_trajectory,
    make_turn,
    save_run,
)

NESTED = ToolSchema(
    name="plan",
    description="Plans.",
    parameters={
        "type": "object",
        "properties": {
            "steps": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
            "mode": {"type": "string", "enum": ["a", "b"]},
        },
        "required": [],
    },
)


def varied_trajectories() -> list[Trajectory]:
    """One of every shape that a rollout can leave."""
    parallel = Turn(
        index=0,
        utterance=Utterance(text="Both, please."),
        steps=(
            Step(
                content="Two at once.",
                reasoning="They do not depend on each other.",
                tool_calls=(make_call("ls", call_id="x"), make_call("pwd", call_id="x")),
            ),
            Step(content="Both done."),
        ),
        answer="Both done.",
    )
    broken = make_turn(
        make_call("x", arguments='{"command": "unfinished', exit_code=2),
        answer=None,
        failure="the model is gone",
    )
    hostile = make_turn(
        make_call("echo", observation="a\u2028b\x85c\x00d\n{'}<script>\x1b[31m"), text="日本語\u2029🙂"
    )
    nested = make_provenance(tools=(NESTED,), agent=ModelInfo(provider="openai", model="m|1`<b>"))
    farmer = make_persona(industry="A | B\n# C")
    silent = Turn(index=0, utterance=Utterance(text="Hello?"))
    failed: dict[str, Any] = {"stop_reason": StopReason.AGENT_FAILED, "outcome": None}
    return [
        make_trajectory("t-plain"),
        make_trajectory("t-parallel", parallel, intent=make_intent("Both.")),
        make_trajectory("t-broken", broken, intent=make_intent("Gone."), **failed),
        make_trajectory("t-hostile", hostile, intent=make_intent("Signs.", persona=farmer)),
        make_trajectory("t-nested", intent=make_intent("Plan."), provenance=nested),
        make_trajectory("t-silent", silent, intent=make_intent("Hello."), **failed),
        make_trajectory("t-again", make_turn(make_call()), make_turn(make_call(), index=1)),
    ]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "project")
    save_run(project, *varied_trajectories())
    save_selection(project, "all", "true")
    return project


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def check_line(line: dict[str, Any]) -> None:
    """What every line must be, whoever wrote it."""
    from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

    messages = TypeAdapter(list[ChatCompletionMessageParam])
    for message in messages.validate_python(line["messages"], strict=True):
        list(dict(message).get("tool_calls", ()))  # type: ignore[call-overload]
    TypeAdapter(list[ChatCompletionToolParam]).validate_python(line["tools"])
    waiting: list[str] = []
    seen: set[str] = set()
    for message in line["messages"]:
        assert isinstance(message["content"], str)
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
        else:
            assert waiting == [], "a call was left unanswered"
            waiting = [call["id"] for call in message.get("tool_calls", ())]
            assert not seen & set(waiting)
            seen |= set(waiting)
    assert waiting == []
    assert line["messages"][0]["role"] == "system"
    assert line["messages"][1]["role"] == "user"


def test_every_line_validates_against_the_openai_types(project: Project, tmp_path: Path) -> None:
    report = export(project, tmp_path / "out", selection="all")
    lines = read_lines(tmp_path / "out" / "data.jsonl")
    assert len(lines) == report.n_trajectories == 7
    for line in lines:
        check_line(line)
    by_id = {line["trajectory_id"]: line for line in lines}
    assert [m["role"] for m in by_id["t-broken"]["messages"]] == ["system", "user", "assistant", "tool"]
    assert (
        by_id["t-broken"]["messages"][2]["tool_calls"][0]["function"]["arguments"]
        == '{"command": "unfinished'
    )
    parallel = by_id["t-parallel"]["messages"][2]
    assert parallel["reasoning_content"] == "They do not depend on each other."
    assert [call["id"] for call in parallel["tool_calls"]] == ["x", "x-2"]
    assert by_id["t-parallel"]["parallel_tool_calls"] is True
    assert by_id["t-hostile"]["messages"][1]["content"] == "日本語\u2029🙂"
    assert len({tuple(line) for line in lines}) == 1, "all lines have the same keys"


def test_the_messages_table_holds_what_the_export_writes(project: Project, tmp_path: Path) -> None:
    export(project, tmp_path / "out", selection="all")
    written = {
        (line["trajectory_id"], place): (message["role"], message["content"], message.get("tool_call_id"))
        for line in read_lines(tmp_path / "out" / "data.jsonl")
        for place, message in enumerate(line["messages"])
    }
    with Catalog.open(project) as catalog:
        rows = catalog.rows("select trajectory_id, position, role, content, tool_call_id from messages")
    assert {
        (r["trajectory_id"], r["position"]): (r["role"], r["content"], r["tool_call_id"]) for r in rows
    } == written


def test_datasets_gives_the_objects_back_as_they_were(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    from datasets import load_dataset

    make_split(project, "cut", "all", {"train": 0.6, "test": 0.4}, seed=1)
    export(project, tmp_path / "out", split="cut")
    whole = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    for part in ("train", "test"):
        path = tmp_path / "out" / f"{part}.jsonl"
        found = load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
        assert [dict(row) for row in found] == [dict(row) for row in whole[part]] == read_lines(path)


def test_datasets_reads_a_file_whose_lines_change_shape_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the types from the first 10 MiB; here these hold neither tool calls nor the nested tool."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    from datasets import load_dataset

    project = make_project(tmp_path / "project")
    plain = [make_trajectory(f"t-{n:02}", make_turn(answer="x" * 2**20)) for n in range(12)]
    thinking = Step(content="Hm.", reasoning="Well.")
    save_run(
        project,
        *plain,
        make_trajectory("t-97", Turn(index=0, utterance=Utterance(text="Think."), steps=(thinking,))),
        make_trajectory("t-98", provenance=make_provenance(tools=(NESTED,))),
        make_trajectory("t-99"),
    )
    save_selection(project, "all", "true")
    export(project, tmp_path / "out", selection="all")
    path = tmp_path / "out" / "data.jsonl"
    found = load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert [dict(row) for row in found] == read_lines(path)


def test_a_split_is_written_as_one_file_a_part(project: Project, tmp_path: Path) -> None:
    split = make_split(project, "cut", "all", {"train": 0.6, "test": 0.4, "spare": 0}, seed=1)
    report = export(project, tmp_path / "deep" / "out", split="cut")
    out = tmp_path / "deep" / "out"
    assert sorted(p.name for p in out.iterdir()) == [
        "README.md",
        "manifest.json",
        "test.jsonl",
        "train.jsonl",
    ]
    for file in report.files:
        written = [line["trajectory_id"] for line in read_lines(out / file.file)]
        assert sorted(written) == list(split.parts[file.part])
        assert hashlib.sha256((out / file.file).read_bytes()).hexdigest() == file.sha256
        assert (out / file.file).stat().st_size == file.size_bytes
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["split"] == {"name": "cut", "selection": "all", "ratios": split.ratios, "seed": 1}
    assert [f["n_records"] for f in manifest["files"]] == [
        len(split.parts[f["part"]]) for f in manifest["files"]
    ]
    assert manifest["taxonomy_versions"] == ["v1"]
    assert manifest["n_scripted"] == 7
    assert [p.name for p in out.parent.iterdir()] == ["out"], "nothing is left beside it"


def test_a_split_whose_parts_share_something_is_not_exported(project: Project, tmp_path: Path) -> None:
    split = make_split(project, "cut", "all", {"train": 0.6, "test": 0.4}, seed=1)
    leaked = {"train": split.parts["train"], "test": (*split.parts["test"], split.parts["train"][0])}
    write_split(project, split.model_copy(update={"parts": leaked}))
    with pytest.raises(InputError, match=r"more than once, first .* make it again"):
        export(project, tmp_path / "out", split="cut")
    one, two = {"a-b": split.parts["train"]}, {"a_b": split.parts["test"]}
    write_split(project, split.model_copy(update={"parts": one | two}))
    with pytest.raises(InputError, match="'a-b' and 'a_b'"):
        export(project, tmp_path / "out", split="cut")
    assert not (tmp_path / "out").exists()


def test_an_export_names_the_condition_that_its_split_was_cut_by(project: Project, tmp_path: Path) -> None:
    make_split(project, "cut", "all", {"train": 0.6, "test": 0.4}, seed=1)
    save_selection(project, "all", "n_turns > 99")
    export(project, tmp_path / "out", split="cut")
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["where"] == "true"
    assert "n\\_turns" not in (tmp_path / "out" / "README.md").read_text()


def test_the_same_split_gives_the_same_bytes(project: Project, tmp_path: Path) -> None:
    make_split(project, "cut", "all", {"train": 0.6, "test": 0.4}, seed=1)
    first = export(project, tmp_path / "a", split="cut")
    assert export(project, tmp_path / "b", split="cut").files == first.files


def test_the_card_tells_the_truth_and_keeps_words_words(project: Project, tmp_path: Path) -> None:
    make_split(project, "cut", "all", {"train": 0.6, "test-set": 0.4}, seed=1)
    export(project, tmp_path / "out", split="cut")
    _, head, body = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(head)["configs"][0]["data_files"] == [
        {"split": "train", "path": "train.jsonl"},
        {"split": "test_set", "path": "test-set.jsonl"},
    ]
    assert "| trajectories | 7 |" in body
    assert "| failed tool calls | 1 (12.5 %) |" in body
    assert "| trajectories whose last turn has no answer | 2 |" in body
    assert "7 of 7 trajectories (100.0 %) were played with the scripted provider" in body
    assert "| A \\| B \\# C | 1 |" in body
    assert "<b>" not in body
    assert "## Licence" in body


@pytest.mark.parametrize("there", ["file", "full", "link"])
def test_an_export_never_writes_over_anything(project: Project, tmp_path: Path, there: str) -> None:
    out = tmp_path / "out"
    if there == "file":
        out.write_text("mine")
    elif there == "full":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    else:
        out.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="choose a new or empty folder"):
        export(project, out, selection="all")
    assert not (tmp_path / "elsewhere").exists()


def test_an_empty_folder_may_be_filled(project: Project, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export(project, tmp_path / "out", selection="all")
    assert (tmp_path / "out" / "data.jsonl").is_file()


def test_wrong_words_are_refused_and_leave_nothing(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="the formats are"):
        export(project, out, selection="all", format="xml")
    with pytest.raises(InputError, match="exactly one"):
        export(project, out)
    with pytest.raises(InputError, match="exactly one"):
        export(project, out, selection="all", split="cut")
    with pytest.raises(NotFoundError):
        export(project, out, selection="nobody")
    with pytest.raises(NotFoundError):
        export(project, out, split="../selections/all")
    save_selection(project, "none", "false")
    with pytest.raises(InputError, match="holds no trajectory"):
        export(project, out, selection="none")
    project.paths.run("run-1").trajectory("t-plain").write_text("{")
    with pytest.raises(InputError, match="1 trajectories are gone or cannot be read, first t-plain"):
        export(project, out, selection="all")
    assert [p.name for p in tmp_path.iterdir()] == ["project"]


def test_an_export_reads_one_record_at_a_time(tmp_path: Path) -> None:
    """120 records of 1 MiB are exported within 50 MiB more than reading the tables takes."""
    project = make_project(tmp_path / "project")
    big = make_turn(make_call(observation="x" * 2**20))
    save_run(project, *(make_trajectory(f"t-{n:03}", big) for n in range(120)))
    save_selection(project, "all", "true")
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from engine.catalog import Catalog\n"
        "from engine.curate.export import export\n"
        "from engine.store.project import Project\n"
        "project = Project.open(Path(sys.argv[1]))\n"
        "with Catalog.open(project) as catalog: catalog.count()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "export(project, Path(sys.argv[2]), selection='all')\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(project.root), str(tmp_path / "out")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(told.stdout) < 50


TEXT = st.text(max_size=20)
CALLS = st.lists(
    st.builds(
        make_call,
        command=st.sampled_from(["ls", "cat a.txt", "python3 x.py"]),
        call_id=st.sampled_from(["", "a", "b", "call_0"]),
        exit_code=st.sampled_from([0, 1, None]),
        observation=TEXT,
        arguments=st.one_of(st.none(), TEXT),
    ),
    max_size=3,
)
STEPS = st.lists(
    st.builds(Step, content=TEXT, reasoning=st.none() | TEXT, tool_calls=CALLS.map(tuple)), max_size=3
)
TURNS = st.lists(st.tuples(st.text(min_size=1, max_size=10), STEPS, st.none() | TEXT), min_size=1, max_size=3)


@settings(max_examples=150, deadline=None)
@given(TURNS)
def test_any_trajectory_becomes_a_valid_line_that_reads_back(
    turns: list[tuple[str, list[Step], str | None]],
) -> None:
    played = [
        Turn(index=n, utterance=Utterance(text=text), steps=tuple(steps), answer=answer)
        for n, (text, steps, answer) in enumerate(turns)
    ]
    trajectory = make_trajectory("t", *played)
    line = json_line(to_record(trajectory)).decode()
    assert len(line.splitlines()) == 1
    record = json.loads(line)
    check_line(record)
    users = [m["content"] for m in record["messages"] if m["role"] == "user"]
    assert users == [text for text, _, _ in turns]
    seen = [m["content"] for m in record["messages"] if m["role"] == "tool"]
    assert seen == [call.observation for call in trajectory.tool_calls()]
    for turn in played:
        if turn.answer:
            assert turn.answer in [m["content"] for m in record["messages"] if m["role"] == "assistant"]
