"""What a command is run with, what carries over to the next, and how its end is told."""

from __future__ import annotations

import time

import pytest

from engine.ports import Workspace
from tests.contract.workspace.cases import SMALL, lives, python, said

MEBIBYTE = 2**20


def test_working_directory_and_exported_variables_carry_over(workspace: Workspace) -> None:
    workspace.exec("mkdir -p sub && cd sub && export GREETING=$'two\nlines \"quoted\" $HOME' && plain=1")
    effect = workspace.exec('pwd; echo "$GREETING"; echo "[$plain]"')
    assert effect.stdout == b'/workspace/sub\ntwo\nlines "quoted" $HOME\n[]\n'
    assert effect.cwd == "/workspace/sub"


def test_state_carries_over_an_exit_and_a_failure_but_not_a_kill(workspace: Workspace) -> None:
    workspace.exec("set -eu; export A=1; cd /tmp; false; export A=2")
    assert workspace.exec("echo $A; pwd").stdout == b"1\n/tmp\n"
    workspace.exec("export A=3; kill -9 $$")
    assert workspace.exec("echo $A").stdout == b"1\n"


def test_a_variable_that_is_unset_stays_unset(workspace: Workspace) -> None:
    workspace.exec("unset LANG")
    assert workspace.exec("echo [${LANG-none}]").stdout == b"[none]\n"


def test_workdir_and_env_hold_for_one_call(workspace: Workspace) -> None:
    workspace.exec("export A=outer")
    effect = workspace.exec("pwd; echo $A $B", workdir="docs", env={"A": "it's", "B": "inner"})
    assert (effect.stdout, effect.cwd) == (b"/workspace/docs\nit's inner\n", "/workspace/docs")
    assert workspace.exec("pwd; echo $A $B").stdout == b"/workspace\nouter\n"


def test_a_workdir_that_is_missing_is_an_error_and_nothing_runs(workspace: Workspace) -> None:
    effect = workspace.exec("touch ran", workdir="nope")
    assert effect.error == "ENOENT: no such file or directory: nope"
    assert (effect.exit_code, effect.changes) == (None, ())


@pytest.mark.parametrize("workdir", ["docs/readme.txt", "nul\0", "x" * 5000, "\udcff", "/root/secret"])
def test_a_workdir_that_is_none_is_an_error_and_the_workspace_lives(
    workspace: Workspace, workdir: str
) -> None:
    assert workspace.exec("echo ran", workdir=workdir).error
    assert lives(workspace)


def test_a_working_directory_that_is_deleted_falls_back_to_the_workspace(workspace: Workspace) -> None:
    workspace.exec("mkdir gone; cd gone; rmdir ../gone")
    assert workspace.exec("pwd").stdout == b"/workspace\n"


def test_a_working_directory_whose_name_is_no_text_carries_over(workspace: Workspace) -> None:
    effect = workspace.exec("mkdir $'\\xff'; cd $'\\xff'")
    assert effect.model_dump_json()
    assert workspace.exec("pwd | od -An -tx1 | tail -c 7").stdout == b" ff 0a\n"


def test_exit_codes_streams_and_argv_are_the_real_ones(workspace: Workspace) -> None:
    effect = workspace.exec("echo out; echo err >&2; exit 7")
    assert (effect.exit_code, effect.stdout, effect.stderr) == (7, b"out\n", b"err\n")
    assert effect.argv == ("bash", "-c", "echo out; echo err >&2; exit 7")
    assert workspace.exec("no-such-command").stderr == b"bash: line 1: no-such-command: command not found\n"
    assert workspace.exec("if then").exit_code == 2
    assert workspace.exec("exit 300").exit_code == 44


def test_a_script_of_several_lines_runs_as_bash_runs_it(workspace: Workspace) -> None:
    script = "f() {\n  local x=$1\n  cat <<EOF\n[$x]\nEOF\n}\nfor i in a 'b c'; do f \"$i\"; done | tac\n"
    assert workspace.exec(script).stdout == b"[b c]\n[a]\n"
    assert workspace.exec("").exit_code == 0
    assert workspace.exec("exec printf x").stdout == b"x"


def test_a_signal_is_told_from_an_exit_code(workspace: Workspace) -> None:
    effect = workspace.exec("kill -SEGV $$")
    assert (effect.exit_code, effect.signal, effect.timed_out) == (None, 11, False)
    assert workspace.exec("bash -c 'kill -SEGV $$'; exit").exit_code == 139


def test_stdin_is_empty_and_there_is_no_terminal(workspace: Workspace) -> None:
    assert workspace.exec("cat; test -t 0 || echo none; (: </dev/tty) 2>/dev/null || echo no tty").stdout == (
        b"none\nno tty\n"
    )


def test_a_timeout_ends_what_ignores_signals_and_what_hides_in_a_session(workspace: Workspace) -> None:
    began = time.monotonic()
    effect = workspace.exec(
        "setsid -f bash -c 'trap \"\" TERM HUP; while :; do sleep 77; done'; trap '' TERM; echo on; sleep 88",
        timeout_s=0.5,
    )
    assert time.monotonic() - began < 5
    assert (effect.timed_out, effect.limit, effect.exit_code) == (True, "time", None)
    assert effect.stdout == b"on\n"
    assert workspace.exec("pgrep -f 'sleep (77|88)$'").exit_code == 1


def test_a_timeout_ends_a_daemon_that_forked_twice(workspace: Workspace) -> None:
    daemon = (
        "import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0: time.sleep(99)\n os._exit(0)"
    )
    effect = workspace.exec(f'python3 -c "{daemon}"; sleep 66', timeout_s=1)
    assert effect.timed_out
    assert workspace.exec("pgrep -f 'sleep[( ](66|99)'").exit_code == 1


def test_a_timeout_of_next_to_nothing_is_kept_and_leaves_the_workspace_well(workspace: Workspace) -> None:
    assert workspace.exec("sleep 5", timeout_s=0.01).timed_out
    assert lives(workspace)


def test_what_was_said_before_the_deadline_is_kept(workspace: Workspace) -> None:
    effect = workspace.exec("echo out; echo err >&2; export A=1; cd /tmp; sleep 50", timeout_s=0.5)
    assert (effect.stdout, effect.stderr, effect.timed_out) == (b"out\n", b"err\n", True)
    assert workspace.exec("pwd; echo [$A]").stdout == b"/workspace\n[]\n"


def test_a_background_process_neither_holds_up_the_call_nor_ends_with_it(workspace: Workspace) -> None:
    began = time.monotonic()
    effect = workspace.exec("sleep 300 & echo started")
    assert (effect.exit_code, effect.stdout) == (0, b"started\n")
    assert time.monotonic() - began < 5
    assert workspace.exec("pgrep -x sleep").exit_code == 0


def test_a_background_process_that_goes_on_writing_disturbs_no_later_call(workspace: Workspace) -> None:
    workspace.exec("(while :; do echo noise; echo noise >&2; sleep 0.01; done) & echo started")
    for _ in range(5):
        effect = workspace.exec("sleep 0.03; echo mine")
        assert (effect.stdout, effect.stderr) == (b"mine\n", b"")


def test_a_server_in_the_background_answers_the_next_call(workspace: Workspace) -> None:
    workspace.exec("cd docs; python3 -u -m http.server 8123 --bind 127.0.0.1 &")
    code = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8123/readme.txt').read())"
    command = f'for i in 1 2 3 4 5 6 7 8 9; do python3 -c "{code}" 2>/dev/null && break; sleep 0.3; done'
    assert workspace.exec(command).stdout == b"b'hello\\n'\n"
    assert workspace.exec(f'python3 -c "{code}"').exit_code == 0


def test_orphans_are_reaped(workspace: Workspace) -> None:
    workspace.exec("for i in $(seq 30); do (sleep 0.05 &); done; sleep 0.3")
    assert workspace.exec("cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '").stdout == b"0\n"


def test_bytes_that_are_no_text_arrive_intact_on_both_streams(workspace: Workspace) -> None:
    effect = workspace.exec("printf 'a\\0b\\377\\xc3('; printf '\\xfe\\0\\e[31m' >&2")
    assert (effect.stdout, effect.stderr) == (b"a\0b\xff\xc3(", b"\xfe\0\x1b[31m")


def test_arguments_that_are_no_text_work(workspace: Workspace) -> None:
    assert workspace.exec("set -- $'\\xff\\xfe'; printf %s \"$1\" | od -An -tx1").stdout == b" ff fe\n"
    assert workspace.exec("echo ü €").stdout == "ü €\n".encode()


def test_a_command_of_a_megabyte_works(workspace: Workspace) -> None:
    effect = workspace.exec(f"export X=1; echo {'x' * MEBIBYTE} | wc -c")
    assert effect.stdout == b"1048577\n"
    assert workspace.exec("echo $X").stdout == b"1\n"


def test_an_argument_of_a_megabyte_is_what_it_is_on_any_linux(workspace: Workspace) -> None:
    effect = workspace.exec(f"/bin/echo {'x' * MEBIBYTE}")
    assert (effect.exit_code, effect.stderr[-26:]) == (126, b"/bin/echo: Argument list too long\n"[-26:])
    assert lives(workspace)


def test_a_variable_of_a_megabyte_reaches_the_shell(workspace: Workspace) -> None:
    assert workspace.exec("echo ${#BIG}", env={"BIG": "x" * MEBIBYTE}).stdout == b"1048576\n"
    workspace.exec("export BIG=$(printf '%*s' 1048576 x); cd docs")
    assert workspace.exec("echo ${#BIG}; pwd").stdout == b"1048576\n/workspace/docs\n"
    assert workspace.exec("unset BIG; /bin/echo back").stdout == b"back\n"


@pytest.mark.parametrize("command", ["echo a\0b", "echo \udcff"])
def test_a_command_that_no_argument_can_hold_is_an_error(workspace: Workspace, command: str) -> None:
    assert workspace.exec(command).error == "EINVAL: invalid argument: command"
    assert lives(workspace)


@pytest.mark.parametrize(
    "env",
    [{"A B": "1"}, {"A;touch x": "1"}, {"": "1"}, {"1A": "1"}, {"A": "nul\0"}, {"A=B": "1"}, {"A": "\udcff"}],
)
def test_a_variable_that_is_none_is_refused_and_nothing_runs(
    workspace: Workspace, env: dict[str, str]
) -> None:
    effect = workspace.exec("touch ran", env=env)
    assert (effect.error or "").startswith("EINVAL")
    assert workspace.exec("ls ran").exit_code == 2


def test_values_of_variables_are_data_never_words_of_the_shell(workspace: Workspace) -> None:
    value = "'; touch pwned; echo \"$(touch pwned)`touch pwned`\n\\"
    effect = workspace.exec('printf %s "$A"', env={"A": value})
    assert (effect.stdout, effect.changes) == (value.encode(), ())
    workspace.exec('export B="$A"', env={"A": value})
    assert workspace.exec('printf %s "$B"; ls').stdout == value.encode() + b"docs\nrun.sh\n"


def test_a_flood_of_output_is_capped_and_counted(workspace: Workspace) -> None:
    effect = workspace.exec("yes | head -c 5000000; yes e | head -c 1000000 >&2")
    assert effect.exit_code == 0
    assert (len(effect.stdout), effect.stdout_total_bytes) == (SMALL.output_bytes, 5_000_000)
    assert (len(effect.stderr), effect.stderr_total_bytes) == (SMALL.output_bytes, 1_000_000)


@pytest.mark.parametrize(
    "hostile",
    [
        "export PATH=/nope BASH_ENV=/workspace/evil LD_PRELOAD=/workspace/x.so PYTHONPATH=/workspace",
        "builtin() { :; }; declare() { :; }; export -f builtin declare",
        "trap - EXIT; trap 'exit 9' EXIT",
        "set -o posix; enable -n printf declare builtin",
        "exec 1>&- 2>&-",
        "readonly PWD; export -n HOME; unset PATH",
        "shopt -s extdebug; trap 'false' DEBUG",
    ],
)
def test_a_shell_that_is_turned_inside_out_ends_with_its_call(workspace: Workspace, hostile: str) -> None:
    workspace.exec(hostile)
    effect = workspace.exec("PATH=/usr/bin; unset LD_PRELOAD; echo fine; ls")
    assert effect.stdout == b"fine\ndocs\nrun.sh\n"
    assert python(workspace, "print(6 * 7)").error is None


def test_the_clock_of_an_effect_is_the_hosts(workspace: Workspace) -> None:
    effect = workspace.exec("sleep 0.2; echo x")
    assert 200 <= effect.duration_ms < 30_000
    assert effect.started_at.tzinfo is not None
    assert "x" in said(effect)
