from __future__ import annotations

import multiprocessing
import shutil
import threading
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import InputError, NotFoundError
from engine.paths import data_dir
from engine.schema.taxonomy import ExperienceLevel, Taxonomy
from engine.schema.tools import ToolName
from engine.store.files import exclusive, write_text
from engine.store.project import Project
from engine.taxonomy import (
    FILES,
    check_taxonomy,
    current_taxonomy,
    diff_versions,
    keep_taxonomy,
    list_versions,
    load_taxonomy,
    n_combinations,
    parse_taxonomy,
    read_version,
    render_yaml,
    rows_of,
    save_taxonomy,
    taxonomy_stats,
)

STARTER = data_dir() / "taxonomy"


@pytest.fixture(scope="module")
def starter() -> Taxonomy:
    return load_taxonomy(STARTER, "starter")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "taxonomy"
    shutil.copytree(STARTER, target)
    return target


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


def starter_texts() -> dict[str, str]:
    return {name: (STARTER / name).read_text(encoding="utf-8") for name in FILES}


def edit(folder: Path, name: str, old: str, new: str) -> int:
    """Replaces the first `old` and gives its line."""
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_the_starter_is_sound_and_as_large_as_promised(starter: Taxonomy) -> None:
    stats = taxonomy_stats(starter)
    assert check_taxonomy(STARTER) == []
    assert (stats.domains, stats.tasks, stats.complexities, stats.levels) == (
        10,
        136,
        3,
        len(ExperienceLevel),
    )
    # The paper's sizes.
    assert stats.personas >= 965
    assert stats.industries >= 47
    assert stats.roles >= 542
    assert stats.styles >= 120
    assert stats.tasks >= 131
    assert stats.n_combinations > 10**11
    assert {tool for task in starter.tasks for tool in task.tools} == set(ToolName)


def test_the_starters_mean_number_of_tasks_is_the_papers(starter: Taxonomy) -> None:
    mean = sum(
        level.prior * sum(n * w for n, w in level.n_tasks.items()) / sum(level.n_tasks.values())
        for level in starter.complexities
    )
    assert mean == pytest.approx(4.40)
    assert [level.prior for level in starter.complexities] == [0.10, 0.40, 0.50]


def test_the_number_of_combinations_equals_a_count_by_hand() -> None:
    texts = starter_texts()
    tasks = yaml.safe_load(texts["tasks.yaml"])
    kept = ("file-io", "multimedia", "comms-social")
    texts["domains.yaml"] = render_yaml("domains", [{"domain_id": d, "description": d} for d in kept])
    of_kept = [[t for t in tasks if t["domain_id"] == d][:5] for d in kept]
    small = [t for some in of_kept for t in some]
    small[0]["weight"] = 0
    small[2]["needs"] = [small[7]["task_id"]]
    small[3]["excludes"] = [small[11]["task_id"]]
    texts["personas.yaml"] = render_yaml(
        "personas",
        [
            {**p, "leans": {"file-io": 0.0} if n == 0 else {}}
            for n, p in enumerate(yaml.safe_load(texts["personas.yaml"])[:3])
        ],
    )
    texts["tasks.yaml"] = render_yaml("tasks", small)
    taxonomy = parse_taxonomy(texts, "small")
    drawable = [t for t in small if t.get("weight", 1)]
    by_hand = 0
    for level in taxonomy.complexities:
        for n in level.n_tasks:
            for chosen in combinations(drawable, n):
                ids, spanned = {t["task_id"] for t in chosen}, {t["domain_id"] for t in chosen}
                if len(spanned) not in (2, 3) or {small[3]["task_id"], small[11]["task_id"]} <= ids:
                    continue
                if small[2]["task_id"] in ids and small[7]["task_id"] not in ids:
                    continue
                by_hand += 2 if "file-io" in spanned else 3
    assert n_combinations(taxonomy) == by_hand


FAULTS = [
    ("tasks.yaml", "domain_id: file-io", "domain_id: file-oi", "unknown domain 'file-oi'", "use one of"),
    ("tasks.yaml", "task_id: port-script", "task_id: write-script", "stands in", "rename or remove"),
    ("tasks.yaml", "  name: Port a script", "  nmae: Port a script", "unknown field 'nmae'", "use only"),
    ("personas.yaml", "experience_level: mid", "experience_level: middle", "'intern', 'junior'", "correct"),
    ("personas.yaml", "name: Amara Okafor", "name: yes", "name is not text: True", "in quotes"),
    ("personas.yaml", "name: Amara Okafor", "name: 2026-99-99", "cannot be read", "in quotes"),
    ("personas.yaml", "name: Amara Okafor", "name: A\n  name: B", "given twice", "remove one"),
    ("personas.yaml", "name: Amara Okafor", "name: &a Amara", "anchors", "write the value out"),
    ("personas.yaml", "name: Amara Okafor", "name: a: b", "not valid YAML", "indentation"),
    ("personas.yaml", "name: Amara Okafor", "name: !!python/object:os.system x", "tags (!)", "plain value"),
    ("personas.yaml", "persona_id: amara-okafor", "persona_id: ../amara", "is no valid name", "lower-case"),
    ("complexities.yaml", "prior: 0.50", "prior: 0.60", "sum to 1.1", "sum to 1"),
    ("complexities.yaml", "{3: 0.80, 4: 0.20}", "{2: 0.80, 4: 0.20}", "n_tasks 2 is out of range", "3 to 6"),
    ("complexities.yaml", "{3: 0.80, 4: 0.20}", "{3: 0.0}", "all n_tasks weights are 0", "above 0"),
    ("complexities.yaml", "{3: 0.80, 4: 0.20}", "{3: -1, 4: 2}", "weight of n_tasks 3 is -1", "from 0"),
    ("domains.yaml", "domain_id: file-io", "domain_id: files", "domain 'files' has no task", "add a task"),
    ("personas.yaml", "leans: {", "leans: {file-oi: 2, ", "unknown domain 'file-oi'", "use one of file-io"),
    ("personas.yaml", "leans: {", "leans: {x: -1, ", "leans.x -1", "correct the value"),
]


@pytest.mark.parametrize(("file", "old", "new", "problem", "mend"), FAULTS, ids=[f[3] for f in FAULTS])
def test_a_fault_says_file_line_problem_and_mend(
    folder: Path, file: str, old: str, new: str, problem: str, mend: str
) -> None:
    line = edit(folder, file, old, new)
    if problem == "given twice":
        line += 1
    if problem.startswith("domain 'files'"):  # its tasks are orphans now, so mend those first
        edit_all = (folder / "tasks.yaml").read_text(encoding="utf-8")
        edit_all = edit_all.replace("domain_id: file-io", "domain_id: code-runtime")
        (folder / "tasks.yaml").write_text(edit_all, encoding="utf-8")
    found = [f for f in check_taxonomy(folder) if problem in f]
    assert found
    assert mend in found[0]
    if "sum to" not in problem and problem != "stands in":
        assert found[0].startswith(f"{folder / file}:{line}: ")
    with pytest.raises(InputError, match=r"\.yaml:\d+: "):
        load_taxonomy(folder, "x")


def test_a_task_that_names_an_unknown_tool_is_told_but_can_be_drawn(folder: Path) -> None:
    line = edit(folder, "tasks.yaml", "tools: [write, exec, read]", "tools: [write, exce, read]")
    (found,) = check_taxonomy(folder)
    assert found.startswith(f"{folder / 'tasks.yaml'}:{line}: ")
    assert "unknown tool 'exce'" in found
    assert "memory_search" in found
    assert load_taxonomy(folder, "x").tasks


LINK_FAULTS = [
    ("needs: [nothing]", "needs the unknown task 'nothing'", "use one of"),
    ("needs: [port-script]", "needs itself", "remove it"),
    ("excludes: [port-script]", "excludes itself", "remove it"),
    ("excludes: [write-skript]", "excludes the unknown task 'write-skript'", "write-script"),
    ("quota: 0", "quota 0", "correct the value"),
]


@pytest.mark.parametrize(("added", "problem", "mend"), LINK_FAULTS, ids=[f[0] for f in LINK_FAULTS])
def test_a_wrong_constraint_is_told_with_its_line(folder: Path, added: str, problem: str, mend: str) -> None:
    line = edit(folder, "tasks.yaml", "task_id: port-script", f"task_id: port-script\n  {added}")
    (found,) = [f for f in check_taxonomy(folder) if problem in f]
    assert found.startswith(f"{folder / 'tasks.yaml'}:{line + 1}: ")
    assert mend in found
    with pytest.raises(InputError, match=r"tasks\.yaml:\d+: "):
        load_taxonomy(folder, "x")


def test_tasks_in_a_circle_or_that_can_never_be_met_are_told(folder: Path) -> None:
    edit(folder, "tasks.yaml", "task_id: port-script", "task_id: port-script\n  needs: [write-script]")
    edit(folder, "tasks.yaml", "task_id: write-script", "task_id: write-script\n  needs: [port-script]")
    edit(
        folder,
        "tasks.yaml",
        "task_id: merge-files",
        "task_id: merge-files\n  needs: [rename-batch, archive-files]",
    )
    edit(folder, "tasks.yaml", "task_id: rename-batch", "task_id: rename-batch\n  excludes: [archive-files]")
    edit(folder, "tasks.yaml", "task_id: draw-chart", "task_id: draw-chart\n  needs: [generate-tone]")
    edit(folder, "tasks.yaml", "task_id: generate-tone", "task_id: generate-tone\n  weight: 0")
    told = "\n".join(check_taxonomy(folder))
    assert told.count("needs itself in a circle") == 2
    assert "'merge-files' can never be drawn: it needs both" in told
    edit(folder, "tasks.yaml", "  needs: [write-script]", "  needs: []")
    edit(folder, "tasks.yaml", "  excludes: [archive-files]", "  excludes: []")
    told = "\n".join(check_taxonomy(folder))
    assert "'draw-chart' can never be drawn: it needs 'generate-tone', which has no weight" in told


def test_personas_and_domains_that_can_never_be_drawn_are_told(folder: Path) -> None:
    names = [
        line.split()[-1] for line in (folder / "domains.yaml").read_text().splitlines() if "domain_id" in line
    ]
    shut = ", ".join(f"{name}: 0" for name in names[1:])
    edit(
        folder, "personas.yaml", "persona_id: amara-okafor", f"persona_id: amara-okafor\n  leans: {{{shut}}}"
    )
    for name in names:
        edit(folder, "domains.yaml", f"domain_id: {name}", f"domain_id: {name}\n  quota: 0.1")
    told = "\n".join(check_taxonomy(folder))
    assert "persona 'amara-okafor' can never be drawn; an intent spans 2 or 3 domains" in told
    edit(folder, "personas.yaml", f"  leans: {{{shut}}}\n", "")
    (told,) = check_taxonomy(folder)
    assert "the quotas of the domains sum to 1, and an intent spans 2 or 3 domains" in told


def test_an_entry_that_says_the_same_under_another_id_is_told_but_can_be_drawn(folder: Path) -> None:
    line = edit(folder, "tasks.yaml", "name: Port a script", "name: Write a script")
    (told,) = check_taxonomy(folder)
    assert told.startswith(f"{folder / 'tasks.yaml'}:{line}: 'port-script' is the same as 'write-script'")
    assert load_taxonomy(folder, "x").task_by_id["port-script"].name == "Write a script"


def test_check_lists_every_fault_and_load_the_first(folder: Path) -> None:
    edit(folder, "tasks.yaml", "domain_id: file-io", "domain_id: nowhere")
    edit(folder, "personas.yaml", "role: ward operations coordinator", "rule: x")
    edit(folder, "complexities.yaml", "{3: 0.80, 4: 0.20}", "{7: 1.0}")
    assert len(check_taxonomy(folder)) == 4  # a missing and an unknown field are two
    with pytest.raises(InputError, match=r"3 more: 'ise-studio taxonomy check'"):
        load_taxonomy(folder, "x")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "no entries"),
        (b"[]\n", "no entries"),
        (b"# only a comment\n", "no entries"),
        (b"personas: 1\n", "not a list"),
        (b"- just text\n", "not a mapping"),
        (b"\xff\xfe- a", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"a: &a [x]\nb: *a\n", "anchors"),
        (b"- a: !!bool maybe\n", "tags (!)"),
        (b"- a: !!timestamp foo\n", "tags (!)"),
        (b"- a: !!int ''\n", "tags (!)"),
        (b"- a: !!float ''\n", "tags (!)"),
        (b"- {a: 1}\n---\n- {b: 1}\n", "not valid YAML"),
        (b"- x\x00y\n", "not valid YAML"),
        (b"- #" + b"x" * 8_000_001, "exceeds"),
    ],
)
def test_hostile_files_are_refused_in_one_line(folder: Path, data: bytes, problem: str) -> None:
    (folder / "personas.yaml").write_bytes(data)
    lines = check_taxonomy(folder)
    assert any(problem in line for line in lines)
    assert all("\n" not in line for line in lines)


def test_a_missing_file_is_a_fault_with_its_name(folder: Path) -> None:
    (folder / "tasks.yaml").unlink()
    with pytest.raises(InputError, match=r"tasks\.yaml: the file is missing"):
        load_taxonomy(folder, "x")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_no_text_whatever_breaks_the_reader(text: str) -> None:
    texts = starter_texts()
    one = texts["personas.yaml"].split("\n- persona_id")
    texts |= {"tasks.yaml": text, "personas.yaml": "\n- persona_id".join(one[:2])}
    with pytest.raises(InputError):
        parse_taxonomy(texts, "x")


def test_rendering_a_dimension_and_reading_it_gives_the_same_entries(starter: Taxonomy) -> None:
    texts = {
        name: render_yaml(d, rows_of(starter, d)) for name in FILES for d in [name.removesuffix(".yaml")]
    }
    again = parse_taxonomy(texts, starter.version)
    assert again.model_copy(update={"content_hash": starter.content_hash}) == starter


def test_rendering_takes_what_a_grid_gives() -> None:
    row = {"task_id": "t", "tools": "exec, read", "weight": float("nan"), "name": "no", "description": None}
    assert yaml.safe_load(render_yaml("tasks", [row])) == [
        {"task_id": "t", "name": "no", "tools": ["exec", "read"]}
    ]
    with pytest.raises(InputError, match="choose one of personas"):
        render_yaml("../etc", [])


def test_a_new_project_stands_at_the_starter_and_the_first_save_keeps_it_as_v0001(project: Project) -> None:
    assert current_taxonomy(project).version == "starter"
    assert list_versions(project) == []
    texts = starter_texts()
    changed = texts | {"tasks.yaml": texts["tasks.yaml"].replace("name: Port a script", "name: Translate it")}
    saved = save_taxonomy(project, changed)
    assert saved.version == "v0002"
    assert current_taxonomy(project) == saved
    assert read_version(project, "v0001") == texts == read_version(project, "starter")
    assert read_version(project, "current") == changed


def test_saving_unchanged_texts_makes_no_version(project: Project) -> None:
    assert save_taxonomy(project, starter_texts()).version == "starter"
    assert keep_taxonomy(project).version == "v0001"
    assert keep_taxonomy(project).version == "v0001"
    assert save_taxonomy(project, starter_texts()).version == "v0001"
    assert list_versions(project) == ["v0001"]


def test_files_changed_by_hand_are_edited_until_they_are_kept(project: Project) -> None:
    edit(project.paths.taxonomy, "personas.yaml", "name: Amara Okafor", "name: Amara O.")
    assert current_taxonomy(project).version == "edited"
    kept = keep_taxonomy(project)
    assert current_taxonomy(project) == kept
    assert kept.version == "v0001"
    assert save_taxonomy(project, starter_texts()).version == "v0002"
    assert "Amara O." in read_version(project, "v0001")["personas.yaml"]


def test_wrong_texts_are_refused_and_nothing_is_written(project: Project) -> None:
    before = sorted(project.root.rglob("*"))
    for texts in (starter_texts() | {"tasks.yaml": ""}, {"tasks.yaml": ""}, starter_texts() | {"x.yaml": ""}):
        with pytest.raises(InputError):
            save_taxonomy(project, texts)
    assert sorted(project.root.rglob("*")) == before


def test_a_save_that_was_cut_short_counts_as_whole(project: Project) -> None:
    texts = starter_texts()
    changed = texts | {
        "tasks.yaml": texts["tasks.yaml"].replace("Port a script", "Translate a script"),
        "domains.yaml": texts["domains.yaml"].replace("The machine itself", "The computer itself"),
    }
    save_taxonomy(project, changed)
    (project.paths.taxonomy / "tasks.yaml").write_text(texts["tasks.yaml"], encoding="utf-8")  # torn
    (project.paths.taxonomy / ".saving").write_text("v0002", encoding="utf-8")
    assert current_taxonomy(project).version == "v0002"
    save_taxonomy(project, texts)
    assert not (project.paths.taxonomy / ".saving").exists()
    assert {name: (project.paths.taxonomy / name).read_text(encoding="utf-8") for name in FILES} == texts


def test_a_diff_names_entries_and_fields(project: Project) -> None:
    texts = starter_texts()
    rows = yaml.safe_load(texts["tasks.yaml"])
    rows[0]["name"] = "Sum up"
    gone = rows.pop(1)["task_id"]
    rows.append({**rows[-1], "task_id": "new-task"})
    save_taxonomy(project, texts | {"tasks.yaml": render_yaml("tasks", rows)})
    changes = diff_versions(project, "v0001", "v0002")
    assert [(c.dimension, c.id, c.kind) for c in changes] == [
        ("tasks", rows[0]["task_id"], "changed"),
        ("tasks", gone, "removed"),
        ("tasks", "new-task", "added"),
    ]
    assert changes[0].fields == {"name": ("Summarise notes", "Sum up")}
    assert diff_versions(project, "v0002", "v0002") == []
    with pytest.raises(NotFoundError, match="choose one of"):
        diff_versions(project, "v0001", "../../etc")


def test_keeping_never_undoes_a_save_that_came_in_between(project: Project) -> None:
    changed = starter_texts()["tasks.yaml"].replace("Port a script", "Port a program")
    keeper = threading.Thread(target=keep_taxonomy, args=(project,))
    with exclusive(project.paths.taxonomy / ".lock"):
        keeper.start()
        keeper.join(0.5)
        write_text(project.paths.taxonomy / "tasks.yaml", changed)
    keeper.join()
    assert (project.paths.taxonomy / "tasks.yaml").read_text() == changed
    assert read_version(project, current_taxonomy(project).version)["tasks.yaml"] == changed


def test_a_mark_that_no_save_wrote_is_passed_over(project: Project) -> None:
    mark = project.paths.taxonomy / ".saving"
    for data in (b"\xff\xfe", b"../../..", b"v0001\n", "v٠٠٠١".encode()):
        mark.write_bytes(data)
        assert current_taxonomy(project).version == "starter"
    mark.unlink()
    mark.mkdir()
    assert current_taxonomy(project).version == "starter"


def _save_often(root: str, mark: str) -> None:
    project = Project.open(Path(root))
    texts = starter_texts()
    for i in range(5):
        renamed = texts["tasks.yaml"].replace("Port a script", f"Port {mark} {i}")
        save_taxonomy(project, texts | {"tasks.yaml": renamed})


def test_two_writers_at_once_lose_no_version(project: Project) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_save_often, args=(str(project.root), mark)) for mark in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [w.exitcode for w in writers] == [0, 0]
    versions = list_versions(project)
    assert len(versions) == 11  # the starter and two times five
    assert {load_taxonomy(project.paths.taxonomy_versions / v, v).version for v in versions} == set(versions)
    assert current_taxonomy(project).version == versions[-1]
