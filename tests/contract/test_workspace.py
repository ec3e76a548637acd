"""The Workspace seam's conformance suite, over every backend that passes its probe here."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import SandboxError
from engine.execute.workspaces.backend import Backend
from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.execute.workspaces.docker_backend import Docker
from engine.execute.workspaces.resident import ResidentWorkspace as BubblewrapWorkspace
from engine.schema.sandbox import Effect, FileChange, SandboxInfo, SandboxLimits

pytestmark = pytest.mark.sandbox

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = SandboxLimits(
    workspace_bytes=16 * 2**20,
    memory_bytes_per_process=512 * 2**20,
    memory_bytes=600 * 2**20,
    n_processes=48,
    output_bytes=256 * 1024,
    file_bytes=8 * 2**20,
)


Make = Callable[[Path], Backend]
BACKENDS: dict[str, Make] = {
    Bubblewrap.NAME: lambda template: Bubblewrap(template, SMALL),
    Docker.NAME: lambda template: Docker(template, SMALL),
}


@pytest.fixture(scope="module", params=BACKENDS)
def make(request: pytest.FixtureRequest) -> Make:
    """What makes a backend on a template."""
    return BACKENDS[request.param]


@pytest.fixture(scope="module")
def backend(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    template = tmp_path_factory.mktemp("template")
    (template / "docs").mkdir()
    (template / "docs/readme.txt").write_text("hello\n")
    (template / "run.sh").write_text("echo ran\n")
    (template / "run.sh").chmod(0o755)
    backend = make(template)
    try:
        backend.prove()
    except SandboxError as error:
        pytest.skip(str(error))
    return backend


@pytest.fixture
def workspace(backend: Backend) -> Iterator[BubblewrapWorkspace]:
    workspace = backend.open()
    yield workspace
    workspace.close()


def changes(effect: Effect) -> dict[str, FileChange]:
    return {change.path: change for change in effect.changes}


def kinds(effect: Effect) -> dict[str, str]:
    return {change.path: change.kind.value for change in effect.changes}


def processes_with(marker: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "cmdline").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


def gone_within(marker: str, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while processes_with(marker):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_the_probe_proves_every_check_in_under_a_second_or_two(backend: Backend) -> None:
    began = time.monotonic()
    info = backend.prove()
    assert time.monotonic() - began < 3
    assert info.proven
    assert {"network_unreachable", "host_marker_invisible", "usr_not_writable", "no_capabilities"} <= {
        check.name for check in info.probe
    }


def test_a_workspace_starts_from_the_snapshot_with_modes(workspace: BubblewrapWorkspace) -> None:
    assert workspace.exec("cat docs/readme.txt; ./run.sh; stat -c %a docs run.sh docs/readme.txt").stdout == (
        b"hello\nran\n755\n755\n644\n"
    )
    assert workspace.exec("true").changes == ()


def test_workspaces_share_nothing(backend: Backend, workspace: BubblewrapWorkspace) -> None:
    workspace.write("mine.txt", b"1")
    other = backend.open()
    try:
        assert other.exec("ls mine.txt /tmp").exit_code == 2
    finally:
        other.close()


def test_what_was_written_is_read_back_byte_by_byte(workspace: BubblewrapWorkspace) -> None:
    data = bytes(range(256)) * 300
    assert workspace.write("a/b/c.bin", data).error is None
    effect = workspace.read("/workspace/a/b/c.bin")
    assert (effect.stdout, effect.stdout_total_bytes) == (data, len(data))
    assert workspace.read("~/a/b/c.bin").stdout == data


def test_a_write_replaces_the_whole_file(workspace: BubblewrapWorkspace) -> None:
    workspace.write("a.txt", b"a long first version")
    workspace.write("a.txt", b"short")
    assert workspace.read("a.txt").stdout == b"short"


def test_errors_of_files_are_named(workspace: BubblewrapWorkspace) -> None:
    assert workspace.read("notes.txt").error == "ENOENT: no such file or directory: notes.txt"
    assert workspace.read("docs").error == "EISDIR: is a directory: docs"
    assert workspace.read("nul\0byte").error == "EINVAL: invalid argument: nul\0byte"
    assert workspace.write("docs", b"").error == "EISDIR: is a directory: docs"
    assert workspace.write("docs/readme.txt/x", b"").error == "ENOTDIR: not a directory: docs/readme.txt/x"
    assert workspace.write("/usr/x", b"").error == "EROFS: read-only file system: /usr/x"
    assert workspace.write("/proc/self/oom_score_adj", b"0").error is not None


def test_working_directory_and_exported_variables_carry_over(workspace: BubblewrapWorkspace) -> None:
    workspace.exec("mkdir -p sub && cd sub && export GREETING=$'two\nlines \"quoted\" $HOME' && plain=1")
    effect = workspace.exec('pwd; echo "$GREETING"; echo "[$plain]"')
    assert effect.stdout == b'/workspace/sub\ntwo\nlines "quoted" $HOME\n[]\n'
    assert effect.cwd == "/workspace/sub"


def test_state_carries_over_an_exit_and_a_failure_but_not_a_kill(workspace: BubblewrapWorkspace) -> None:
    workspace.exec("set -eu; export A=1; cd /tmp; false; export A=2")
    assert workspace.exec("echo $A; pwd").stdout == b"1\n/tmp\n"
    workspace.exec("export A=3; kill -9 $$")
    assert workspace.exec("echo $A").stdout == b"1\n"


def test_a_variable_that_is_unset_stays_unset(workspace: BubblewrapWorkspace) -> None:
    workspace.exec("unset LANG")
    assert workspace.exec("echo [${LANG-none}]").stdout == b"[none]\n"


def test_workdir_and_env_hold_for_one_call(workspace: BubblewrapWorkspace) -> None:
    workspace.exec("export A=outer")
    effect = workspace.exec("pwd; echo $A $B", workdir="docs", env={"A": "it's", "B": "inner"})
    assert (effect.stdout, effect.cwd) == (b"/workspace/docs\nit's inner\n", "/workspace/docs")
    assert workspace.exec("pwd; echo $A $B").stdout == b"/workspace\nouter\n"


def test_a_workdir_that_is_missing_is_an_error_and_nothing_runs(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("touch ran", workdir="nope")
    assert effect.error == "ENOENT: no such file or directory: nope"
    assert (effect.exit_code, effect.changes) == (None, ())


def test_a_working_directory_that_is_deleted_falls_back_to_the_workspace(
    workspace: BubblewrapWorkspace,
) -> None:
    workspace.exec("mkdir gone; cd gone; rmdir ../gone")
    assert workspace.exec("pwd").stdout == b"/workspace\n"


def test_exit_codes_streams_and_argv_are_the_real_ones(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("echo out; echo err >&2; exit 7")
    assert (effect.exit_code, effect.stdout, effect.stderr) == (7, b"out\n", b"err\n")
    assert effect.argv == ("bash", "-c", "echo out; echo err >&2; exit 7")
    assert workspace.exec("no-such-command").stderr == b"bash: line 1: no-such-command: command not found\n"
    assert workspace.exec("if then").exit_code == 2


def test_a_signal_is_told_from_an_exit_code(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("kill -SEGV $$")
    assert (effect.exit_code, effect.signal, effect.timed_out) == (None, 11, False)
    assert workspace.exec("bash -c 'kill -SEGV $$'; exit").exit_code == 139


def test_stdin_is_empty_and_there_is_no_terminal(workspace: BubblewrapWorkspace) -> None:
    assert workspace.exec("cat; test -t 0 || echo none; (: </dev/tty) 2>/dev/null || echo no tty").stdout == (
        b"none\nno tty\n"
    )


def test_a_timeout_ends_what_ignores_signals_and_what_hides_in_a_session(
    workspace: BubblewrapWorkspace,
) -> None:
    began = time.monotonic()
    effect = workspace.exec(
        "setsid -f bash -c 'trap \"\" TERM HUP; while :; do sleep 77; done'; trap '' TERM; echo on; sleep 88",
        timeout_s=0.5,
    )
    assert time.monotonic() - began < 3
    assert (effect.timed_out, effect.limit, effect.exit_code) == (True, "time", None)
    assert effect.stdout == b"on\n"
    assert workspace.exec("pgrep -f 'sleep (77|88)$'").exit_code == 1


def test_a_background_process_neither_holds_up_the_call_nor_ends_with_it(
    workspace: BubblewrapWorkspace,
) -> None:
    began = time.monotonic()
    effect = workspace.exec("sleep 300 & echo started")
    assert (effect.exit_code, effect.stdout) == (0, b"started\n")
    assert time.monotonic() - began < 3
    assert workspace.exec("pgrep -x sleep").exit_code == 0


def test_a_server_in_the_background_answers_the_next_call(workspace: BubblewrapWorkspace) -> None:
    workspace.exec("cd docs; python3 -u -m http.server 8123 --bind 127.0.0.1 &")
    code = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8123/readme.txt').read())"
    command = f'for i in 1 2 3 4 5 6 7 8 9; do python3 -c "{code}" 2>/dev/null && break; sleep 0.3; done'
    assert workspace.exec(command).stdout == b"b'hello\\n'\n"
    assert workspace.exec(f'python3 -c "{code}"').exit_code == 0


def test_a_flood_of_output_is_capped_and_counted(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("yes | head -c 5000000; yes e | head -c 1000000 >&2")
    assert effect.exit_code == 0
    assert (len(effect.stdout), effect.stdout_total_bytes) == (SMALL.output_bytes, 5_000_000)
    assert (len(effect.stderr), effect.stderr_total_bytes) == (SMALL.output_bytes, 1_000_000)


def test_an_endless_flood_is_ended(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("yes", timeout_s=60)
    assert (effect.limit, effect.exit_code) == ("output", None)
    assert workspace.exec("echo fine").stdout == b"fine\n"


def test_bytes_that_are_no_text_arrive_intact(workspace: BubblewrapWorkspace) -> None:
    assert workspace.exec("printf 'a\\0b\\377\\xc3('").stdout == b"a\0b\xff\xc3("


def test_a_command_and_a_variable_of_a_megabyte_work(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec(f"export X=1; echo {'x' * 2**20} | wc -c")
    assert effect.stdout == b"1048577\n"
    assert workspace.exec("echo $X").stdout == b"1\n"


def test_a_command_with_a_nul_is_an_error(workspace: BubblewrapWorkspace) -> None:
    assert workspace.exec("echo a\0b").error == "EINVAL: invalid argument: command"


def test_a_fork_bomb_is_bounded_and_the_workspace_lives(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("f() { f | f & }; f; sleep 30", timeout_s=1.5)
    assert effect.timed_out
    assert workspace.exec("pgrep -c . ; echo fine").stdout.endswith(b"fine\n")


def test_a_disk_filler_stops_at_the_limits(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("for i in 1 2 3 4; do head -c 7M /dev/zero >f$i; done; du -sk . | cut -f1")
    assert b"No space left" in effect.stderr
    assert int(effect.stdout) <= SMALL.workspace_bytes // 1024
    big = workspace.exec("rm f*; head -c 12M /dev/zero >big; stat -c %s big")
    assert int(big.stdout) <= SMALL.file_bytes
    full = workspace.write("more", b"x" * SMALL.workspace_bytes)
    assert full.error is not None
    assert full.error.startswith(("ENOSPC", "EFBIG"))


def test_memory_is_bounded_by_process_and_in_sum(workspace: BubblewrapWorkspace) -> None:
    assert b"MemoryError" in workspace.exec("python3 -c 'b = bytearray(600 << 20)'").stderr
    hog = "python3 -c 'import time; b = bytearray(300 << 20); time.sleep(20)' &"
    effect = workspace.exec(f"{hog} {hog} {hog} wait", timeout_s=15)
    assert effect.limit == "memory"
    assert workspace.exec("echo fine").stdout == b"fine\n"


def test_links_and_pipes_mislead_nobody(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("ln -s /etc/shadow s; mkfifo f; ln -s . loop; ln -s /etc/passwd p; ln -s f g")
    assert kinds(effect) == {name: "created" for name in "sfgp"} | {"loop": "created"}
    assert changes(effect)["s"].sha256 == hashlib.sha256(b"/etc/shadow").hexdigest()
    assert workspace.read("s").error == "ENOENT: no such file or directory: s"
    assert workspace.read("f").error == "EINVAL: not a regular file: f"
    assert (workspace.write("g", b"x").error or "").startswith("ENXIO")
    assert b"root:x:0:0::/:/usr/sbin/nologin" in workspace.read("p").stdout


def test_the_network_is_unreachable_but_for_loopback(workspace: BubblewrapWorkspace) -> None:
    assert (
        b"Network is unreachable" in workspace.exec("timeout 2 bash -c ': </dev/tcp/203.0.113.1/80'").stderr
    )
    assert workspace.exec("tail -n +3 /proc/net/dev | grep -vc lo:").stdout == b"0\n"


def test_files_of_the_host_are_invisible(workspace: BubblewrapWorkspace, tmp_path: Path) -> None:
    marker = tmp_path / secrets.token_hex(8)
    marker.write_text("secret")
    assert workspace.exec(f"ls {marker} {REPOSITORY}").exit_code == 2
    assert (
        workspace.exec("ls -A /usr/local /home /root /opt /srv /mnt 2>/dev/null").stdout == b"/usr/local:\n"
    )


def test_nothing_outside_workspace_and_tmp_can_be_written(workspace: BubblewrapWorkspace) -> None:
    command = (
        "for d in / /usr /usr/bin /etc /dev /proc /sys /var /.ise; do touch $d/x 2>/dev/null && echo $d; done"
    )
    assert workspace.exec(command).stdout == b""
    assert workspace.exec("touch /tmp/x /dev/shm/x x && unshare -U true").exit_code == 1


def test_privileges_are_gone(workspace: BubblewrapWorkspace) -> None:
    said = workspace.exec("id -u; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status").stdout.split()
    assert said[0] == b"1000"
    assert dict(zip(said[1::2], said[2::2], strict=True)) == {
        b"CapEff:": b"0" * 16,
        b"CapBnd:": b"0" * 16,
        b"NoNewPrivs:": b"1",
    }
    assert workspace.exec("mknod d c 1 3 || mount -t tmpfs t docs").exit_code != 0


def test_dangerous_system_calls_are_refused_and_common_ones_work(workspace: BubblewrapWorkspace) -> None:
    code = """
import ctypes, fcntl, multiprocessing, os, socket, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
calls = {"ptrace": (0, 0, 0, 0), "unshare": (0x20000000,), "shmget": (0, 4096, 0o1600)}
for name, arguments in calls.items():
    print(name, getattr(libc, name)(*arguments), ctypes.get_errno())
try:
    fcntl.ioctl(os.openpty()[1], 0x5412, b"x")
except OSError as error:
    print("TIOCSTI", error.errno)
threads = [threading.Thread(target=print, args=("thread",))]
threads[0].start(), threads[0].join()
print(subprocess.run(["echo", "child"], capture_output=True).stdout, socket.socketpair()[0].family.name)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
"""
    workspace.write("calls.py", code.encode())
    assert workspace.exec("python3 calls.py").stdout.decode().splitlines() == [
        "ptrace -1 1",
        "unshare -1 1",
        "shmget -1 1",
        "TIOCSTI 1",
        "thread",
        "b'child\\n' AF_UNIX",
        "[1, 2]",
    ]


def test_file_changes_are_told_with_diffs(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec(
        "echo one >new.txt; echo more >>docs/readme.txt; rm run.sh; mkdir empty; chmod 700 docs"
    )
    assert kinds(effect) == {
        "docs/": "modified",
        "docs/readme.txt": "modified",
        "empty/": "created",
        "new.txt": "created",
        "run.sh": "deleted",
    }
    found = changes(effect)
    assert found["new.txt"].sha256 == hashlib.sha256(b"one\n").hexdigest()
    assert (found["new.txt"].size_bytes, found["new.txt"].mode, found["docs/"].mode) == (4, 0o644, 0o700)
    assert found["docs/readme.txt"].diff == (
        "--- a/docs/readme.txt\n+++ b/docs/readme.txt\n@@ -1 +1,2 @@\n hello\n+more\n"
    )
    assert found["run.sh"].diff == "--- a/run.sh\n+++ /dev/null\n@@ -1 +0,0 @@\n-echo ran\n"


def test_writes_tell_their_change_and_a_touch_is_none(workspace: BubblewrapWorkspace) -> None:
    assert kinds(workspace.write("deep/a.txt", b"x")) == {"deep/": "created", "deep/a.txt": "created"}
    assert workspace.write("deep/a.txt", b"x").changes == ()
    assert workspace.exec("touch deep/a.txt").changes == ()
    assert workspace.exec("chmod +x deep/a.txt").changes[0].mode == 0o755
    assert kinds(workspace.exec("mv deep/a.txt b.txt")) == {"b.txt": "created", "deep/a.txt": "deleted"}


def test_a_change_that_puts_size_and_time_back_is_still_seen(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec(
        "touch -r docs/readme.txt ref; printf HELLO | dd conv=notrunc of=docs/readme.txt; "
        "touch -r ref docs/readme.txt; rm ref"
    )
    assert kinds(effect) == {"docs/readme.txt": "modified"}


def test_a_large_or_binary_file_has_a_hash_and_no_diff(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("printf 'a\\0b' >bin; seq 30000 >long.txt")
    assert [(c.path, c.diff, bool(c.sha256)) for c in effect.changes] == [
        ("bin", None, True),
        ("long.txt", None, True),
    ]


def test_ten_thousand_files_do_not_blow_up_the_record(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("mkdir many; cd many; for i in $(seq 10000); do echo $i >$i; done")
    assert (len(effect.changes), effect.n_changes) == (2000, 10_001)
    assert workspace.exec("true").n_changes == 0


def test_names_that_are_no_text_are_told_as_text(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("touch $'\\xff<b>\\n'")
    assert kinds(effect) == {"\\xff<b>\n": "created"}
    assert effect.model_dump_json()


def test_a_folder_that_is_closed_hides_its_files_but_does_not_delete_them(
    workspace: BubblewrapWorkspace,
) -> None:
    assert kinds(workspace.exec("chmod 000 docs")) == {"docs/": "modified"}
    assert workspace.exec("chmod 000 /workspace").exit_code == 0
    assert workspace.exec("chmod 755 docs; cat docs/readme.txt").stdout == b"hello\n"


def test_killing_everything_from_inside_ends_the_call_and_not_the_workspace(
    workspace: BubblewrapWorkspace,
) -> None:
    workspace.write("kept.txt", b"kept")
    effect = workspace.exec("kill -9 1; kill -STOP 1; kill -INT 1; bash -c 'kill -9 -1'; echo never")
    assert effect.signal == 9
    assert workspace.read("kept.txt").stdout == b"kept"


def test_the_resident_cannot_be_read_or_spoken_for(workspace: BubblewrapWorkspace) -> None:
    effect = workspace.exec("ls /proc/1/fd; cat /proc/1/mem /proc/1/environ; echo forged >/proc/1/fd/1")
    assert (effect.stdout, effect.exit_code) == (b"", 1)
    assert effect.stderr.count(b"Permission denied") == 4


def test_traps_laid_for_the_saved_state_are_harmless(workspace: BubblewrapWorkspace) -> None:
    workspace.exec("cd /run/shell; trap 'rm -f after before; mkfifo after; ln -s /workspace/x before' EXIT")
    assert workspace.exec("echo one").stdout == b"one\n"
    workspace.exec("trap 'rm -rf /run/shell' EXIT")
    assert workspace.exec("echo two").stdout == b"two\n"


def test_a_workspace_that_is_killed_is_lost_and_says_so_once(workspace: BubblewrapWorkspace) -> None:
    workspace.exec("sleep 300 &")
    os.kill(workspace.pid, 9)
    effect = workspace.exec("echo hi")
    assert (effect.limit, effect.error, effect.exit_code) == (
        "workspace_lost",
        "the workspace was lost: it ended",
        None,
    )
    with pytest.raises(SandboxError, match="the workspace is gone"):
        workspace.read("docs/readme.txt")


def test_close_ends_every_process_and_may_be_called_twice(backend: Backend) -> None:
    marker = f"31{secrets.randbelow(10**9):09d}"
    workspace = backend.open()
    workspace.exec(f"setsid -f sleep {marker}")
    assert processes_with(marker)
    workspace.close()
    workspace.close()
    assert gone_within(marker, 2)
    with pytest.raises(SandboxError):
        workspace.exec("true")


def test_nothing_survives_a_driver_that_is_killed(tmp_path: Path, backend: Backend) -> None:
    marker = f"32{secrets.randbelow(10**9):09d}"
    script = f"""
        import sys
        from engine import build
        backend = build.sandbox({backend.NAME!r})
        backend.prove()
        workspace = backend.open()
        workspace.exec("setsid -f sleep {marker}")
        print("ready", flush=True)
        workspace.exec("sleep 500", timeout_s=500)
    """
    driver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == b"ready\n"
    assert processes_with(marker)
    driver.kill()
    driver.communicate()
    assert gone_within(marker, 3)


def test_no_effect_names_a_path_of_the_host(workspace: BubblewrapWorkspace, tmp_path: Path) -> None:
    effects = [
        workspace.exec(
            "cat /proc/self/mountinfo /proc/mounts /proc/cmdline; env; ps auxwwe; df; ls -la / /proc/1/"
        ),
        workspace.exec(
            "cat /proc/*/cmdline /proc/*/environ; readlink /proc/*/exe /proc/*/cwd; pwd", workdir="nope"
        ),
        workspace.read("nope"),
        workspace.read("/proc/self/mountinfo"),
        workspace.write("/nope/x", b""),
    ]
    said = "".join(
        base64.b16encode(e.stdout + e.stderr).decode() + e.model_dump_json(exclude={"stdout", "stderr"})
        for e in effects
    )
    paths = {REPOSITORY, Path(sys.prefix), tmp_path.parent, Path(sys.executable).parent}
    for path in (p for p in paths if not p.is_relative_to("/usr")):
        assert str(path) not in said
        assert base64.b16encode(str(path).encode()).decode() not in said


def test_many_workspaces_live_side_by_side(backend: Backend) -> None:
    workspaces = [backend.open() for _ in range(8)]
    try:
        said = [w.exec(f"echo {i} >n; cat n; pgrep -c .").stdout for i, w in enumerate(workspaces)]
    finally:
        for workspace in workspaces:
            workspace.close()
    assert [line.split()[0] for line in said] == [str(i).encode() for i in range(8)]


def test_the_template_hash_covers_names_modes_and_contents(
    tmp_path: Path, backend: Backend, make: Make
) -> None:
    def prove() -> SandboxInfo:
        return make(tmp_path).prove()

    (tmp_path / "a").write_text("1")
    first = prove().template_hash
    assert prove().template_hash == first
    (tmp_path / "a").chmod(0o755)
    second = prove().template_hash
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, prove().template_hash}) == 3
