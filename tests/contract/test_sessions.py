"""Background sessions in the live sandbox: exec with background or yieldMs, and process."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path

import pytest

from engine.execute.workspaces.backend import Backend
from tests.live import SMALL, Tools, error_of

pytestmark = pytest.mark.sandbox

DEAF = "trap '' TERM HUP; echo deaf; while :; do sleep 0.1; done"


def until(tools: Tools, session: str, said: str) -> None:
    """Waits until a session has said something."""
    for _ in range(200):
        if said in tools.process("log", session).observation:
            return
        time.sleep(0.02)
    pytest.fail(f"{session} never said {said}")


def test_a_command_in_the_background_is_followed_to_its_exit_code(tools: Tools) -> None:
    begun = tools.sh("echo one; echo two >&2; exit 3", background=True)
    assert begun.observation == "Command still running (session s1). Use process to follow it."
    assert not begun.failed
    assert begun.ledger.exit_code is None
    polled = tools.process("poll", "s1", timeout=10_000)
    assert polled.observation == "one\ntwo\n(Command exited with code 3)"
    assert (polled.failed, polled.ledger.exit_code) == (True, 3)
    assert polled.ledger.argv == ("process", "poll", "s1")
    assert (polled.ledger.sessions[0].running, polled.ledger.sessions[0].exit_code) == (False, 3)
    again = tools.process("poll", "s1")
    assert again.observation == "(Command exited with code 3)"


def test_a_poll_tells_only_what_is_new_and_a_log_tells_all(tools: Tools) -> None:
    session = tools.begin("echo first; read line; echo got $line; sleep 60")
    until(tools, session, "first")
    assert tools.process("poll", session).observation == f"first\n(Session {session} is still running)"
    assert tools.process("write", session, data="a word\n").observation == "Wrote 7 bytes to session s1."
    until(tools, session, "got a word")
    polled = tools.process("poll", session)
    assert polled.observation == f"got a word\n(Session {session} is still running)"
    assert not polled.failed
    assert tools.process("log", session).observation == "first\ngot a word\n"
    assert tools.process("log", session, offset=2).observation == "got a word\n"
    assert "1 more lines in the output" in tools.process("log", session, limit=1).observation
    assert "beyond the end of the output" in error_of(tools.process("log", session, offset=9))


def test_the_end_of_input_reaches_a_session(tools: Tools) -> None:
    session = tools.begin("cat; echo end")
    said = tools.process("write", session, data="text\n", eof=True).observation
    assert said == "Wrote 5 bytes to session s1 and ended its input."
    polled = tools.process("poll", session, timeout=10_000)
    assert polled.observation == "text\nend\n(Session s1 has ended with code 0)"
    assert "has ended: nothing can be written" in error_of(tools.process("write", session, data="x"))


def test_a_command_that_ends_before_it_yields_is_told_like_any_other(tools: Tools) -> None:
    quick = tools.sh("echo quick; exit 4", yieldMs=10_000)
    assert quick.observation == "quick\n(Command exited with code 4)"
    assert quick.ledger.exit_code == 4
    slow = tools.sh("echo slow; sleep 60", yieldMs=300)
    assert slow.observation == "slow\nCommand still running (session s2). Use process to follow it."


def test_a_session_inherits_the_shells_state_and_gives_none_back(tools: Tools) -> None:
    tools.sh("mkdir sub; cd sub; export WORD=kept")
    session = tools.begin("pwd; echo $WORD $MORE; cd /; export WORD=lost", env={"MORE": "too"})
    polled = tools.process("poll", session, timeout=10_000)
    assert polled.observation.startswith("/workspace/sub\nkept too\n")
    assert tools.sh("pwd; echo $WORD").observation == "/workspace/sub\nkept"


def test_a_long_command_runs_in_the_background_too(tools: Tools) -> None:
    session = tools.begin(f": {'x' * 200_000}; echo done")
    polled = tools.process("poll", session, timeout=10_000)
    assert polled.observation.startswith("done\n")
    assert len(polled.ledger.sessions[0].command) == 200


def test_a_kill_is_polite_first_and_then_final(tools: Tools) -> None:
    polite = tools.begin("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done")
    until(tools, polite, "up")
    killed = tools.process("kill", polite)
    assert killed.observation.endswith(f"bye\n(Session {polite} was killed, as asked for)")
    assert not killed.failed
    assert killed.ledger.sessions[0].killed
    marker = f"3{secrets.randbelow(10**6)}.5"
    deaf = tools.begin(f"(trap '' TERM; sleep {marker}) & {DEAF}")
    until(tools, deaf, "deaf")
    killed = tools.process("kill", deaf)
    assert killed.ledger.sessions[0].signal == 9
    assert marker not in tools.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").observation.replace("cat", "")
    assert tools.process("poll", deaf).observation == f"(Session {deaf} was killed, as asked for)"
    assert "has ended already" in error_of(tools.process("kill", deaf))


def test_unknown_sessions_and_missing_words_are_told(tools: Tools) -> None:
    assert error_of(tools.process("kill", "s7")) == "no session 's7': there are none"
    tools.begin("sleep 60")
    for action in ("poll", "log", "kill"):
        assert error_of(tools.process(action, "../s1")) == "no session '../s1': there are s1"
    assert "sessionId is required for poll" in error_of(tools.process("poll"))
    assert "data or eof is required for write" in error_of(tools.process("write", "s1"))
    assert "action" in error_of(tools("process", action="submit"))
    assert tools.process("list").observation == "s1  running  sleep 60"


def test_a_session_that_writes_a_gigabyte_is_bounded_and_ended(tools: Tools) -> None:
    session = tools.begin("head -c 1000000000 /dev/zero | tr '\\0' 'x'; echo over")
    polled = tools.process("poll", session, timeout=30_000)
    state = polled.ledger.sessions[0]
    assert (state.running, state.limit, polled.ledger.limit) == (False, "output", "output")
    assert "(Command was killed: it wrote too much output)" in polled.observation
    assert polled.ledger.stdout is not None
    assert polled.ledger.stdout.size_bytes == SMALL.output_bytes
    assert SMALL.output_bytes < polled.ledger.stdout.total_bytes < 200_000_000
    assert tools.sh("echo fine").observation == "fine"


def test_a_sessions_own_time_limit_ends_it(tools: Tools) -> None:
    session = tools.begin(DEAF, timeout=0.5)
    polled = tools.process("poll", session, timeout=20_000)
    assert polled.observation.endswith("(Command timed out after 0.5 s)")
    assert (polled.ledger.timed_out, polled.ledger.sessions[0].limit) == (True, "time")


def test_a_call_that_runs_out_of_time_ends_the_sessions_and_the_list_says_so(tools: Tools) -> None:
    session = tools.begin("sleep 60")
    assert tools.sh("sleep 60", timeout=0.5).ledger.timed_out
    assert tools.process("list").observation == f"{session}  ended by the limit: call_time  sleep 60"


def test_only_so_many_sessions_run_at_once_and_ended_ones_make_room(tools: Tools) -> None:
    ended = tools.begin("true")
    tools.process("poll", ended, timeout=10_000)
    running = [tools.begin("sleep 60") for _ in range(15)]
    assert tools.begin("sleep 60") == "s17"
    assert ended not in tools.process("list").observation.split()
    refused = error_of(tools.sh("sleep 60", background=True))
    assert refused == "16 background sessions are running: kill one of them first"
    assert len(running) == 15


def test_what_a_session_does_not_read_is_told(tools: Tools) -> None:
    session = tools.begin("sleep 60")
    said = error_of(tools("process", 1.0, action="write", sessionId=session, data="x" * 1_000_000))
    assert said == f"session {session} took 65536 of 1000000 bytes"
    deaf = tools.begin("exec 0<&-; echo closed; sleep 60")
    until(tools, deaf, "closed")
    assert "reads no input any more" in error_of(tools.process("write", deaf, data="x"))


def test_output_that_is_no_text_comes_through(tools: Tools) -> None:
    session = tools.begin("printf '\\377\\000a\\n'")
    assert tools.process("poll", session, timeout=10_000).observation.startswith("\ufffd\ufffda\n")


def test_a_file_that_a_session_makes_stands_with_the_call_that_saw_it_first(tools: Tools) -> None:
    session = tools.begin("read go; echo x > made.txt")
    tools.process("write", session, eof=True)
    tools.process("poll", session, timeout=10_000)
    tools.begin("read go; echo y > later.txt; echo made; sleep 60")
    tools.process("write", "s2", data="go\n")
    until(tools, "s2", "made")
    assert tools.sh("true").ledger.changes == ()
    assert tools.sh("cat made.txt later.txt").observation == "x\ny"


def test_processes_that_a_call_left_behind_are_named(tools: Tools) -> None:
    call = tools.sh("setsid sleep 71 & sleep 72 & echo started")
    assert sorted(p.command for p in call.ledger.left) == ["sleep 71", "sleep 72"]
    assert call.ledger.n_left == 2
    assert tools.sh("true").ledger.left == ()
    assert tools("write", path="a", content="").ledger.left == ()


def test_what_a_session_begins_is_left_by_no_other_call(tools: Tools) -> None:
    tools.begin("until [ -e go ]; do sleep 0.02; done; sleep 74 & sleep 75")
    call = tools.sh("touch go; until pgrep -f 'sleep 75$'; do sleep 0.02; done; sleep 76 &")
    assert [p.command for p in call.ledger.left] == ["sleep 76"]


def test_the_list_of_what_was_left_is_bounded(tools: Tools) -> None:
    long = "x" * 500
    call = tools.sh(f"for i in $(seq 55); do (exec -a {long} sleep 73) & done")
    assert (len(call.ledger.left), call.ledger.n_left) == (50, 55)
    assert {p.command for p in call.ledger.left} == {long[:200]}


def test_sessions_end_with_their_workspace(tools_backend: Backend) -> None:
    marker = f"60{secrets.randbelow(10**9)}"
    workspace = tools_backend.open()
    Tools(workspace).begin(f"setsid sleep {marker} & sleep {marker}")
    workspace.close()
    for _ in range(200):
        if not any(marker in text(p) for p in Path("/proc").glob("[0-9]*/cmdline")):
            return
        time.sleep(0.02)
    pytest.fail("a session outlived its workspace")


def text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def test_a_call_with_a_session_survives_being_written_and_read(tools: Tools) -> None:
    call = tools.sh("sleep 60", background=True)
    assert type(call).model_validate_json(call.model_dump_json()) == call
    assert json.loads(call.arguments)["background"] is True


def test_a_session_outlives_many_short_ones(tools: Tools) -> None:
    ended = [tools.begin("true") for _ in range(2)]
    for session in ended:
        tools.process("poll", session, timeout=5000)
    server = tools.begin("while sleep 0.05; do echo tick; done")
    for _ in range(20):
        tools.process("poll", tools.begin("true"), timeout=5000)
    before = tools.process("poll", server)
    time.sleep(0.3)
    after = tools.process("poll", server)
    assert not before.failed
    assert after.observation.startswith("tick\n")
    assert after.ledger.sessions[0].running


def test_memory_is_bounded_while_a_call_waits_for_a_session(tools: Tools) -> None:
    hog = "python3 -c 'import time; b = bytearray(400 << 20); time.sleep(30)'"
    session = tools.begin(f"{hog} & {hog} & {hog}; wait")
    polled = tools.process("poll", session, timeout=20_000)
    assert polled.ledger.sessions[0].limit == "memory"
    assert "use too much memory" in polled.observation


def test_a_checkpoint_put_back_ends_the_sessions_and_new_ones_may_begin(tools: Tools) -> None:
    kept = tools.workspace.checkpoint().checkpoint
    session = tools.begin("cat")
    tools.workspace.restore(kept)
    assert "put back to a checkpoint" in tools.process("poll", session).observation
    assert "has ended" in error_of(tools.process("write", session, data="x"))
    assert tools.process("poll", tools.begin("echo fine"), timeout=5000).observation.startswith("fine\n")
