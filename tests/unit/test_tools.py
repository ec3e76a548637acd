from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SandboxError
from engine.execute.observations import MAX_BYTES, MAX_LINES, cut_middle, decoded, read_text
from engine.execute.tools import TOOLS, run_tool
from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.paths import data_dir
from engine.ports import Workspace
from engine.schema.base import utc_now
from engine.schema.chat import ToolCallRequest
from engine.schema.sandbox import Action, BlobRef, Effect, SandboxInfo, SandboxLimits
from engine.schema.trajectory import ToolCall

EXAMPLES: dict[str, dict[str, Any]] = {
    "exec": {
        "command": "ls",
        "workdir": "a",
        "env": {"A": "b"},
        "timeout": 1.5,
        "background": True,
        "yieldMs": 5,
    },
    "process": {
        "action": "poll",
        "sessionId": "s1",
        "data": "a",
        "eof": True,
        "offset": 1,
        "limit": 2,
        "timeout": 3,
    },
    "read": {"path": "a.txt", "offset": 2, "limit": 3},
    "write": {"path": "a.txt", "content": ""},
    "edit": {"path": "a.txt", "oldText": "a", "newText": ""},
    "memory_search": {"query": "key", "maxResults": 2, "minScore": 0.5},
    "memory_get": {"path": "MEMORY.md", "from": 1, "lines": 2},
    "web_search": {"query": "key", "count": 2},
    "web_fetch": {"url": "http://a.example/", "extractMode": "text", "maxChars": 100},
}


class NoWorkspace:
    """A workspace that must not be touched."""

    info = SandboxInfo(
        backend="none", version="0", kernel="0", probe=(), limits=SandboxLimits(), template_hash="0"
    )

    def exec(
        self,
        command: str,
        *,
        workdir: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        background_after_s: float | None = None,
        session_timeout_s: float | None = None,
    ) -> Effect:
        raise AssertionError(command)

    def read(self, path: str) -> Effect:
        raise AssertionError(path)

    def write(self, path: str, data: bytes) -> Effect:
        raise AssertionError(path)

    def checkpoint(self) -> Effect:
        raise AssertionError("checkpoint")

    def restore(self, checkpoint: str) -> Effect:
        raise AssertionError(checkpoint)

    def perform(
        self, action: Action, arguments: Mapping[str, Any], data: bytes = b"", *, timeout_s: float = 60.0
    ) -> Effect:
        raise AssertionError(action)

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture(scope="module")
def backend() -> Bubblewrap:
    backend = Bubblewrap(data_dir() / "workspace")
    try:
        backend.prove()
    except SandboxError as error:
        pytest.skip(str(error))
    return backend


@pytest.fixture
def workspace(backend: Bubblewrap) -> Iterator[Workspace]:
    workspace = backend.open()
    yield workspace
    workspace.close()


def keep(data: bytes, total_bytes: int) -> BlobRef | None:
    return BlobRef(sha256="0" * 64, size_bytes=len(data), total_bytes=total_bytes) if total_bytes else None


def call(
    workspace: Workspace, name: str, arguments: Mapping[str, Any] | str, timeout_s: float = 20.0
) -> ToolCall:
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return run_tool(
        ToolCallRequest(id="c1", name=name, arguments=raw), workspace, timeout_s=timeout_s, keep=keep
    )


def error_of(result: ToolCall) -> str:
    said = json.loads(result.observation)
    assert (said["status"], said["tool"]) == ("error", result.name)
    assert result.failed
    return str(said["error"])


def effect(stdout: bytes, total_bytes: int | None = None) -> Effect:
    total_bytes = len(stdout) if total_bytes is None else total_bytes
    return Effect(
        action="read",
        cwd="/workspace",
        started_at=utc_now(),
        duration_ms=0.0,
        stdout=stdout,
        stdout_total_bytes=total_bytes,
    )


def test_the_tools_are_those_of_the_paper_with_its_parameter_names() -> None:
    parameters = {tool.name: set(tool.parameters["properties"]) for tool in TOOLS}
    assert parameters == {name: set(example) for name, example in EXAMPLES.items()}
    for tool in TOOLS:
        assert tool.parameters["additionalProperties"] is False
        assert all(part["description"] for part in tool.parameters["properties"].values())
        assert "anyOf" not in json.dumps(tool.parameters)


def test_the_schema_says_what_the_arguments_are_checked_for() -> None:
    wrong: dict[str, Any] = {"string": 7, "number": "7", "integer": 1.5, "object": [], "boolean": "yes"}
    for tool in TOOLS:
        example = EXAMPLES[tool.name]
        for name in tool.parameters["required"]:
            rest = {k: v for k, v in example.items() if k != name}
            assert f"{name}: Field required" in error_of(call(NoWorkspace(), tool.name, rest))
        for name, part in tool.parameters["properties"].items():
            said = error_of(call(NoWorkspace(), tool.name, {**example, name: wrong[part["type"]]}))
            assert said.startswith(f"arguments do not fit {tool.name}: {name}")
        assert "extra: " in error_of(call(NoWorkspace(), tool.name, {**example, "extra": 1}))


@pytest.mark.parametrize(
    "arguments", ["", "{", "[]", "null", '"ls"', '{"command": "\\ud800"}', '{"command": ""}', "\0", "{} {}"]
)
def test_arguments_that_are_no_fitting_object_are_an_honest_error(arguments: str) -> None:
    result = call(NoWorkspace(), "exec", arguments)
    assert "arguments do not fit exec" in error_of(result)
    assert result.error is not None
    assert (result.arguments, result.ledger.action, result.ledger.exit_code) == (arguments, "none", None)
    assert ToolCall.model_validate_json(result.model_dump_json()) == result


def test_an_unknown_tool_is_an_honest_error() -> None:
    result = call(NoWorkspace(), "browser", {})
    assert error_of(result) == f"unknown tool 'browser': there are {', '.join(EXAMPLES)}"
    assert (result.error, result.ledger.action) == (error_of(result), "none")


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_call_of_a_model_raises(name: str, arguments: str) -> None:
    if name not in EXAMPLES:
        assert call(NoWorkspace(), name, arguments).failed


@pytest.mark.sandbox
def test_exec_shows_both_streams_and_how_it_ended(workspace: Workspace) -> None:
    result = call(workspace, "exec", {"command": "echo out; echo err >&2; exit 3"})
    assert result.observation == "out\nerr\n(Command exited with code 3)"
    assert (result.failed, result.error, result.ledger.exit_code) == (True, None, 3)
    assert result.ledger.argv == ("bash", "-c", "echo out; echo err >&2; exit 3")
    assert result.ledger.stdout is not None
    assert result.ledger.stdout.size_bytes == 4
    assert call(workspace, "exec", {"command": "true"}).observation == "(no output)"
    assert call(workspace, "exec", {"command": "exit 1"}).observation == "(Command exited with code 1)"
    assert (
        call(workspace, "exec", {"command": "kill -9 $$"}).observation == "(Command was killed by signal 9)"
    )


@pytest.mark.sandbox
def test_exec_takes_folder_variables_and_the_smaller_timeout(workspace: Workspace) -> None:
    result = call(workspace, "exec", {"command": "pwd; echo $A", "workdir": "/tmp", "env": {"A": "b"}})
    assert (result.observation, result.ledger.cwd) == ("/tmp\nb", "/tmp")
    for timeout, bound in ((0.2, 20.0), (500, 0.2)):
        result = call(workspace, "exec", {"command": "sleep 50", "timeout": timeout}, timeout_s=bound)
        assert result.observation == "(Command timed out after 0.2 s)"
        assert result.ledger.timed_out
    said = error_of(call(workspace, "exec", {"command": "ls", "env": {"A=B": "c"}}))
    assert said == "EINVAL: not a variable: A=B"
    assert error_of(call(workspace, "exec", {"command": "ls", "workdir": "no"})).startswith("ENOENT")


@pytest.mark.sandbox
def test_long_output_is_cut_in_the_observation_alone(workspace: Workspace) -> None:
    result = call(workspace, "exec", {"command": "seq 100000"})
    assert len(result.observation) < MAX_BYTES + 100
    assert result.observation.startswith("1\n2\n")
    assert result.observation.endswith("99999\n100000")
    assert "bytes left out" in result.observation
    assert result.ledger.stdout is not None
    assert result.ledger.stdout.size_bytes == 588_895


@pytest.mark.sandbox
def test_files_are_written_read_and_edited(workspace: Workspace) -> None:
    written = call(workspace, "write", {"path": "d/a.txt", "content": "one\ntwo\nthrée\n"})
    assert written.observation == "Successfully wrote 15 bytes to d/a.txt"
    assert [c.path for c in written.ledger.changes] == ["d/", "d/a.txt"]
    assert call(workspace, "read", {"path": "d/a.txt"}).observation == "one\ntwo\nthrée\n"
    edited = call(workspace, "edit", {"path": "d/a.txt", "oldText": "two\n", "newText": ""})
    assert edited.observation == "Successfully replaced text in d/a.txt."
    assert (edited.ledger.action, edited.ledger.path, edited.failed) == ("edit", "d/a.txt", False)
    assert [c.path for c in edited.ledger.changes] == ["d/a.txt"]
    assert call(workspace, "read", {"path": "/workspace/d/a.txt"}).observation == "one\nthrée\n"


@pytest.mark.sandbox
def test_an_edit_wants_its_text_exactly_once(workspace: Workspace) -> None:
    call(workspace, "write", {"path": "a.txt", "content": "x = 1\nx = 1\n"})
    absent = call(workspace, "edit", {"path": "a.txt", "oldText": "y", "newText": "z"})
    assert "Could not find the exact text in a.txt" in error_of(absent)
    twice = call(workspace, "edit", {"path": "a.txt", "oldText": "x = 1", "newText": "z"})
    assert "Found 2 occurrences" in error_of(twice)
    assert twice.error is not None
    assert call(workspace, "read", {"path": "a.txt"}).observation == "x = 1\nx = 1\n"


@pytest.mark.sandbox
def test_failures_of_files_are_the_workspaces_own_words(workspace: Workspace) -> None:
    for name in ("read", "edit"):
        result = call(workspace, name, {**EXAMPLES[name], "path": "notes.txt"})
        assert error_of(result) == "ENOENT: no such file or directory: notes.txt"
        assert (result.error, result.ledger.error) == (None, error_of(result))
    assert error_of(call(workspace, "write", {"path": "/usr/x", "content": ""})).startswith("EROFS")
    assert "beyond the end" in error_of(call(workspace, "read", {"path": "MEMORY.md", "offset": 999}))


@pytest.mark.sandbox
def test_observations_do_not_differ_from_run_to_run(backend: Bubblewrap) -> None:
    commands = [
        "sleep 0.01; ls -A",
        "echo a >&2; exit 2",
        "seq 9999",
        "sleep 9",
        "echo $RANDOM >/dev/null; env",
    ]
    seen = []
    for _ in range(2):
        workspace = backend.open()
        seen.append([call(workspace, "exec", {"command": c}, timeout_s=0.5).observation for c in commands])
        workspace.close()
    assert seen[0] == seen[1]


def test_a_part_of_a_file_is_read_by_lines_and_says_what_follows() -> None:
    content = effect("".join(f"{n}\n" for n in range(1, 5001)).encode())
    assert read_text(content, 2, 2) == "2\n3\n\n[4997 more lines in the file, go on with offset=4]"
    assert read_text(content, 4999, None) == "4999\n5000\n"
    assert (read_text(content, 1, None) or "").endswith(
        "[3000 more lines in the file, go on with offset=2001]"
    )
    assert read_text(content, 5001, None) is None
    assert read_text(effect(b""), 1, None) == ""
    assert "line 1 is cut" in (read_text(effect(b"x" * 90_000), 1, None) or "")
    assert "the last 90 bytes" in (read_text(effect(b"x\n", 92), 1, None) or "")


@given(st.lists(st.text("aé\n\u2028", max_size=9000), max_size=20), st.integers(1, 30), st.integers(0, 3))
def test_a_cut_keeps_both_ends_and_counts_what_is_out(parts: list[str], times: int, lost: int) -> None:
    text = "".join(parts) * times
    shown = cut_middle(text, lost)
    if "bytes left out" not in shown:
        assert (shown, lost) == (text, 0)
        assert len(text.encode()) <= MAX_BYTES
        return
    head, rest = shown.split("\n[... ", 1)
    n_out, tail = rest.split(" bytes left out ...]\n", 1)
    assert text.startswith(head)
    assert text.endswith(tail)
    kept = len(text.encode()) + lost - int(n_out)
    assert kept - len((head + tail).encode()) in (0, 1)
    assert kept <= MAX_BYTES
    assert shown.count("\n") <= MAX_LINES + 2


def test_bytes_that_are_no_text_become_the_replacement_character() -> None:
    assert decoded(b"a\0b\xffc") == "a�b�c"
