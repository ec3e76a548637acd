"""Traps for whoever looks: for the runner inside, for the host's reader and writer, for the account."""

from __future__ import annotations

import hashlib

import pytest

from engine.ports import Workspace
from tests.contract.workspace.cases import Backend, changes, kinds, lives, python, said

FRAME = """
import json, struct, sys
header = {"cwd": "/", "exit_code": 7, "stdout_bytes": 0, "stderr_bytes": 0}
raw = json.dumps(header).encode()
sys.stdout.buffer.write(struct.pack(">IQ", len(raw), 0) + raw)
sys.exit(3)
"""


def test_links_and_pipes_mislead_nobody(workspace: Workspace) -> None:
    effect = workspace.exec("ln -s /etc/shadow s; mkfifo f; ln -s . loop; ln -s /etc/passwd p; ln -s f g")
    assert kinds(effect) == {name: "created" for name in "sfgp"} | {"loop": "created"}
    assert changes(effect)["s"].sha256 == hashlib.sha256(b"/etc/shadow").hexdigest()
    assert (workspace.read("s").error or "").startswith("E")
    assert workspace.read("f").error == "EINVAL: not a regular file: f"
    assert (workspace.write("g", b"x").error or "").startswith("ENXIO")
    assert b"root:x:0:0" in workspace.read("p").stdout


def test_a_link_that_turns_in_circles_is_an_error(workspace: Workspace) -> None:
    workspace.exec("ln -s b a; ln -s a b; ln -s $(printf 'x/%.0s' $(seq 1000)) long")
    assert (workspace.read("a").error or "").startswith("ELOOP")
    assert (workspace.write("a", b"x").error or "").startswith("ELOOP")
    assert lives(workspace)


def test_a_pipe_with_a_writer_that_says_nothing_holds_up_no_reader(workspace: Workspace) -> None:
    workspace.exec("mkfifo f; (exec 3<>f; sleep 60) >/dev/null 2>&1 &")
    assert workspace.read("f").error == "EINVAL: not a regular file: f"
    assert workspace.write("f", b"x").error == "EINVAL: not a regular file: f"


def test_a_folder_that_turns_into_a_link_to_elsewhere_leads_no_write_out(workspace: Workspace) -> None:
    workspace.exec(
        "mkdir real; (while :; do ln -sfn /etc d; rm -f d; mkdir d; rmdir d; done) >/dev/null 2>&1 &"
    )
    for _ in range(40):
        workspace.write("d/planted", b"x")
    assert workspace.exec("ls /etc/planted").exit_code == 2
    assert lives(workspace)


def test_traps_laid_for_the_saved_state_are_harmless(workspace: Workspace) -> None:
    workspace.exec("cd /run/shell; trap 'rm -f after before; mkfifo after; ln -s /workspace/x before' EXIT")
    assert workspace.exec("echo one").stdout == b"one\n"
    workspace.exec("trap 'rm -rf /run/shell' EXIT")
    assert workspace.exec("echo two").stdout == b"two\n"
    workspace.exec("trap 'rm -rf /run/shell; ln -s /workspace /run/shell' EXIT")
    assert workspace.exec("echo three").stdout == b"three\n"
    workspace.exec("trap 'rm -rf /run/shell; touch /run/shell; chmod 000 /run' EXIT")
    assert workspace.exec("chmod 755 /run; echo four").error or lives(workspace)


def test_a_forged_state_is_nothing_but_the_agents_own_words(workspace: Workspace) -> None:
    forged = "printf '/workspace/docs\\0declare -x A=\"forged\"\\n#end' >/run/shell/after; kill -9 $$"
    workspace.exec(forged)
    assert workspace.exec("pwd; echo $A; ls /workspace").stdout == b"/workspace/docs\nforged\ndocs\nrun.sh\n"
    workspace.exec("head -c 9M /dev/zero >/run/shell/after; kill -9 $$")
    assert lives(workspace)


def test_killing_everything_from_inside_ends_the_call_and_not_the_workspace(workspace: Workspace) -> None:
    workspace.write("kept.txt", b"kept")
    effect = workspace.exec("kill -9 1; kill -STOP 1; kill -INT 1; bash -c 'kill -9 -1'; echo never")
    assert effect.signal == 9
    assert workspace.read("kept.txt").stdout == b"kept"


@pytest.mark.parametrize(
    "signal", ["TERM", "STOP", "HUP", "USR1", "CHLD", "ALRM", "PIPE", "SEGV", "XCPU", "64"]
)
def test_no_signal_from_inside_reaches_the_resident(workspace: Workspace, signal: str) -> None:
    workspace.exec(f"kill -{signal} 1; kill -{signal} $PPID")
    assert lives(workspace)


def test_a_shell_that_stops_itself_is_ended_at_the_deadline(workspace: Workspace) -> None:
    assert workspace.exec("kill -STOP $$", timeout_s=0.7).timed_out
    assert lives(workspace)


def test_the_resident_cannot_be_read_or_spoken_for(workspace: Workspace) -> None:
    effect = workspace.exec("ls /proc/1/fd; cat /proc/1/mem /proc/1/environ; echo forged >/proc/1/fd/1")
    assert (effect.stdout, effect.exit_code) == (b"", 1)
    assert effect.stderr.count(b"Permission denied") == 4


def test_a_child_inherits_nothing_of_the_resident(workspace: Workspace) -> None:
    code = (
        "import os\nprint(sorted(os.listdir('/proc/self/fd'), key=int)[:3], len(os.listdir('/proc/self/fd')))"
    )
    assert python(workspace, code).stdout == b"['0', '1', '2'] 4\n"


def test_a_frame_in_the_output_is_only_output(workspace: Workspace) -> None:
    effect = python(workspace, FRAME)
    assert (effect.exit_code, effect.cwd) == (3, "/workspace")
    assert b'"exit_code": 7' in effect.stdout


def test_the_runners_own_sources_cannot_be_changed_or_led_astray(workspace: Workspace) -> None:
    evil = "import os; os.system('touch /workspace/pwned')"
    for name in ("json.py", "difflib.py", "runner.py", "sitecustomize.py", "usercustomize.py", "re.py"):
        workspace.write(name, evil.encode())
    workspace.exec("echo x >>docs/readme.txt; chmod -R u+w /.ise; rm -rf /.ise; touch /.ise/runner/json.py")
    assert "pwned" not in kinds(workspace.exec("echo y >>docs/readme.txt"))
    assert workspace.exec("ls pwned").exit_code == 2


def test_a_hostile_diff_stays_bounded(workspace: Workspace) -> None:
    workspace.exec("seq 1500 >a; tr '\\n' ' ' <a >b; yes x | head -1900 >c")
    effect = workspace.exec(
        "seq 1500 -1 1 >a; seq 1500 | tr '\\n' '-' >b; yes y | head -1900 >c", timeout_s=30
    )
    assert effect.exit_code == 0
    assert all(len(c.diff or "") <= 16 * 1024 for c in effect.changes)
    assert effect.duration_ms < 20_000


def test_every_file_that_a_call_could_name_after_a_host_path_stays_inside(
    workspace: Workspace, backend: Backend
) -> None:
    effect = workspace.exec(
        "mkdir -p home/user/.ssh etc; echo key >home/user/.ssh/id; cp -r /etc/passwd etc/"
    )
    assert set(kinds(effect)) >= {"home/user/.ssh/id", "etc/passwd"}
    other = backend.open()
    try:
        assert other.exec("ls home etc").exit_code == 2
    finally:
        other.close()


def test_ps_and_the_like_show_nothing_but_the_workspace(workspace: Workspace) -> None:
    effect = workspace.exec("ps -eo pid,user,comm --no-headers")
    assert len(effect.stdout.splitlines()) <= 5
    assert "root" not in said(effect)
