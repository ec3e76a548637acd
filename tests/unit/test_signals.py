from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.aims import aim_of, command_parts, same_aim
from engine.catalog.signals import error_class, recoveries
from engine.schema.sandbox import SessionState
from engine.schema.trajectory import ToolCall
from tests.builders import make_call, make_trajectory, make_turn


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("cat: notes.txt: No such file or directory", "not_found"),
        ("bash: line 1: jq: command not found", "not_found"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'a'", "not_found"),
        ("touch: cannot touch '/usr/x': Permission denied", "permission"),
        ("mkdir: cannot create directory '/usr/x': Read-only file system", "permission"),
        ('  File "x.py", line 1\n    if\n     ^\nSyntaxError: invalid syntax', "syntax"),
        ("bash: -c: line 1: syntax error near unexpected token `('", "syntax"),
        ("Traceback ...\nModuleNotFoundError: No module named 'pandas'", "import"),
        ("curl: (6) Could not resolve host: example.com", "network"),
        ("urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>", "network"),
        ("cp: error writing 'x': No space left on device", "limit"),
        ("Traceback ...\nMemoryError", "limit"),
        ("F\nAssertionError: 2 != 3\nRan 1 test in 0.001s\n\nFAILED (failures=1)", "assertion"),
        ("usage: tool.py [-h] name\ntool.py: error: the following arguments are required: name", "usage"),
        ("grep: unrecognized option '--nope'\nUsage: grep [OPTION]...", "usage"),
        ("subprocess.TimeoutExpired: Command timed out after 3 s", "timeout"),
        ("something broke", "other"),
        ("", "other"),
    ],
)
def test_the_error_class_follows_stderr(stderr: str, expected: str) -> None:
    assert error_class(make_call(exit_code=1), stderr) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"exit_code": 0}, None),
        ({"exit_code": 127}, "not_found"),
        ({"exit_code": 126}, "permission"),
        ({"exit_code": 124}, "timeout"),
        ({"exit_code": None, "timed_out": True, "signal": 9}, "timeout"),
        ({"exit_code": None, "limit": "output"}, "limit"),
        ({"exit_code": None, "signal": 9}, "limit"),
        ({"exit_code": None, "signal": 11}, "other"),
        ({"tool": "read", "error": "ENOENT: no such file or directory: a.txt"}, "not_found"),
        ({"tool": "edit", "tool_error": "text not found in a.txt"}, "not_found"),
        ({"tool": "browse", "tool_error": "unknown tool 'browse'"}, "usage"),
        ({"exit_code": 1, "observation": "bash: x: command not found"}, "not_found"),
    ],
)
def test_the_error_class_follows_the_ledger(fields: dict[str, Any], expected: str | None) -> None:
    assert error_class(make_call(**fields)) == expected


def test_the_last_telling_line_decides() -> None:
    stderr = "ModuleNotFoundError: No module named 'fast'\nfalling back\nPermissionError: [Errno 13]\nbye"
    assert error_class(make_call(exit_code=1), stderr) == "permission"


SAME = [
    ("python3 report.py", "cd src && python report.py --all"),
    ("./run.sh", "chmod +x run.sh && ./run.sh"),
    ("cat notes.txt", "cat docs/notes.txt"),
    ("pytest", "pytest -q tests/test_x.py"),
    ("python -m pytest tests/test_x.py", "pytest tests/test_x.py"),
    ("grep -c foo data.csv", "LANG=C sudo grep -ci foo data.csv | head"),
    ("python3 - <<'EOF'\nimport a.b\nEOF", "python3 -c 'print(1)'"),
    ("sort in.csv > out.csv", "mkdir -p out; sort in.csv > out/out.csv"),
    ("ls missing", "ls"),
]
OTHER = [
    ("cat notes.txt", "cat todo.txt"),
    ("./run.sh", "chmod +x run.sh"),
    ("python3 report.py", "python3 other.py"),
    ("python3 report.py", "ls"),
    ("jq . a.json", "cat a.json"),
    ("cd src && make", "cd src && ls"),
]


@pytest.mark.parametrize(("failed", "later"), SAME)
def test_commands_with_one_aim(failed: str, later: str) -> None:
    assert same_aim(aim_of(make_call(failed)), aim_of(make_call(later)))


@pytest.mark.parametrize(("failed", "later"), OTHER)
def test_commands_with_different_aims(failed: str, later: str) -> None:
    assert not same_aim(aim_of(make_call(failed)), aim_of(make_call(later)))


def test_file_tools_aim_at_their_path() -> None:
    edit, write = make_call("a.txt", tool="edit"), make_call("/workspace/a.txt", tool="write")
    assert same_aim(aim_of(edit), aim_of(write))
    assert not same_aim(aim_of(edit), aim_of(make_call("a.txt", tool="read")))
    assert not same_aim(aim_of(edit), aim_of(make_call("b.txt", tool="edit")))


def asked(tool: str, *argv: str, **arguments: Any) -> ToolCall:
    return make_call(tool=tool, arguments=arguments, path=None, argv=(tool, *argv))


def in_session(command: str, action: str, exit_code: int | None = None) -> ToolCall:
    session = SessionState(session_id="s1", command=command, pid=4, running=exit_code is None)
    call = make_call(
        tool="process",
        arguments={"action": action, "sessionId": "s1"},
        path=None,
        argv=("process", action, "s1"),
        sessions=(session,),
    )
    return call.model_copy(update={"ledger": call.ledger.model_copy(update={"exit_code": exit_code})})


def test_to_fetch_is_after_a_host_and_to_search_is_after_an_answer() -> None:
    missing = asked("web_fetch", "https://docs.example/a", url="https://docs.example/a")
    found = asked("web_fetch", "https://docs.example/b", url="https://docs.example/b")
    other = asked("web_fetch", "https://news.example/a", url="https://news.example/a")
    search = asked("web_search", "a", query="a")
    assert same_aim(aim_of(missing), aim_of(found))
    assert not same_aim(aim_of(missing), aim_of(other))
    assert not same_aim(aim_of(missing), aim_of(search))
    assert same_aim(aim_of(search), aim_of(asked("web_search", "b", query="b")))
    assert not same_aim(aim_of(search), aim_of(asked("memory_search", "a", query="a")))


def test_a_memory_that_is_got_is_a_file_that_is_read() -> None:
    got = make_call("memory/a.md", tool="memory_get", argv=("memory_get", "memory/a.md"))
    assert same_aim(aim_of(got), aim_of(make_call("memory/a.md", tool="read")))
    assert not same_aim(aim_of(got), aim_of(make_call("memory/a.md", tool="write")))


def test_a_session_that_failed_is_made_good_by_the_same_command() -> None:
    failed = in_session("python3 server.py 80", "poll", exit_code=1)
    later = make_call("cd app && python3 server.py 8080")
    assert same_aim(aim_of(failed), aim_of(later))
    assert not same_aim(aim_of(failed), aim_of(asked("process", "poll", "s9", action="poll", sessionId="s9")))
    (recovery,) = recoveries(make_trajectory("t-1", make_turn(failed, later)))
    assert recovery.recovered_by == 1


@given(st.text(max_size=40))
def test_no_url_of_a_model_breaks_the_aim(url: str) -> None:
    call = asked("web_fetch", url, url=url)
    assert same_aim(aim_of(call), aim_of(call))


def test_a_recovery_is_the_next_success_of_the_same_aim_within_the_next_turn() -> None:
    trajectory = make_trajectory(
        "t",
        make_turn(
            make_call("python3 a.py", exit_code=1),
            make_call("python3 a.py", exit_code=1),
            make_call("a.py", tool="write"),
            make_call("cat x.txt", exit_code=1),
        ),
        make_turn(make_call("python3 a.py"), make_call("python3 b.py", exit_code=1), index=1),
        make_turn(make_call("cat x.txt"), index=2),
        make_turn(make_call("python3 b.py"), index=3),
    )
    found = [(r.failed, r.recovered_by, r.outcome) for r in recoveries(trajectory)]
    assert found == [
        (0, 4, "recovered"),
        (1, 4, "recovered"),
        (3, None, "abandoned"),
        (5, None, "abandoned"),
    ]


PIECES = ("a", "'", '"', ";", "&&", "|", "<<EOF", "\n", "EOF", "(", ")", "$(", "\\", ">", "x.py")


@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_any_text_has_an_aim(text: str) -> None:
    command_parts(text)
    for call in (make_call(text), make_call(arguments=text), make_call(text, tool="read")):
        aim = aim_of(call)
        assert same_aim(aim, aim) or not aim.parts


def test_here_documents_are_left_out_of_a_command() -> None:
    command = "cat > a.py <<'EOF'\nimport os\nrm b.py\nEOF\npython3 a.py"
    assert [part.program for part in command_parts(command)] == ["cat", "a.py"]
    assert [part.program for part in command_parts("cat > a.py <<EOF\nrm b.py")] == ["cat"]
    assert [part.program for part in command_parts("cat <<EOF\nEOF\nrm b.py")] == ["cat", "rm"]


@pytest.mark.parametrize("piece", ["<<a\n", "\n", "<<a b\n a", "'", "a;", "(", "\\"])
def test_an_enormous_command_takes_no_enormous_time(piece: str) -> None:
    began = time.monotonic()
    command_parts(piece * 300_000)
    assert time.monotonic() - began < 1
