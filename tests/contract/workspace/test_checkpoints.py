"""Checkpoints: what is put back, what is not, and what they may cost."""

from __future__ import annotations

import pytest

from engine.ports import Workspace
from tests.contract.workspace.cases import SMALL, Backend, kinds, lives, python

LISTING = (
    "cd /; find /workspace /tmp /dev/shm -printf '%p %y %m %s %T@ %l %n\\n' | grep -v ' d ' | sort; "
    "find /workspace /tmp -type f -size -1M -exec sha256sum {} + 2>/dev/null | sort"
)


def listing(workspace: Workspace) -> bytes:
    """Every file that a command can see, with mode, size, time, target, links and hash."""
    effect = workspace.exec(LISTING, workdir="/")
    assert effect.exit_code == 0
    return effect.stdout


def test_files_come_back_with_content_mode_time_and_links(workspace: Workspace) -> None:
    workspace.exec(
        "echo one >a; ln a twin; ln -s a s; ln -s /nowhere dangling; mkfifo p; mkdir -p d/e; echo x >d/e/f; "
        "chmod 640 a; touch -d 2001-02-03T04:05:06 d/e/f; printf '\\377\\0' >$'\\xff'; echo t >/tmp/t; "
        "echo s >/dev/shm/s"
    )
    before = listing(workspace)
    kept = workspace.checkpoint().checkpoint
    workspace.exec(
        "rm -r a d s $'\\xff' run.sh /tmp/t; echo other >twin; chmod 777 docs/readme.txt; "
        "mkdir a s; echo y >a/y; ln -s a d; ln twin third; rm p; touch p; "
        "echo more >>/dev/shm/s; mkdir -p /tmp/n/m; touch /tmp/n/m/o"
    )
    assert listing(workspace) != before
    effect = workspace.restore(kept)
    assert (effect.action, effect.error) == ("restore", None)
    assert listing(workspace) == before
    assert workspace.exec("echo again >a; cat twin").stdout == b"again\n"


def test_working_directory_and_variables_come_back(workspace: Workspace) -> None:
    workspace.exec("cd docs; export A=$'one\\ntwo'")
    kept = workspace.checkpoint()
    assert (kept.action, kept.cwd) == ("checkpoint", "/workspace/docs")
    workspace.exec("cd /tmp; export A=other B=new; unset HOME")
    assert workspace.restore(kept.checkpoint).cwd == "/workspace/docs"
    assert (
        workspace.exec('pwd; echo "$A"; echo [$B] $HOME').stdout
        == b"/workspace/docs\none\ntwo\n[] /workspace\n"
    )


def test_processes_are_gone_after_a_restore(workspace: Workspace) -> None:
    workspace.exec("sleep 300 & setsid -f sleep 300")
    kept = workspace.checkpoint().checkpoint
    assert workspace.exec("pgrep -c sleep").stdout == b"2\n"
    workspace.restore(kept)
    assert workspace.exec("pgrep -c sleep").stdout == b"0\n"


def test_the_changes_of_a_restore_are_told(workspace: Workspace) -> None:
    kept = workspace.checkpoint().checkpoint
    workspace.exec("echo new >new; rm run.sh; echo more >>docs/readme.txt")
    effect = workspace.restore(kept)
    assert kinds(effect) == {"new": "deleted", "run.sh": "created", "docs/readme.txt": "modified"}
    assert workspace.exec("true").changes == ()


def test_a_checkpoint_changes_nothing_and_tells_no_change(workspace: Workspace) -> None:
    workspace.exec("echo x >closed; chmod 000 closed; mkdir shut; echo y >shut/y; chmod 000 shut")
    effect = workspace.checkpoint()
    assert (effect.error, effect.changes) == (None, ())
    assert workspace.exec("stat -c %a closed shut").stdout == b"0\n0\n"


def test_what_is_closed_to_its_owner_is_kept_too(workspace: Workspace) -> None:
    workspace.exec(
        "echo x >closed; chmod 000 closed; mkdir -p shut/in; echo y >shut/in/y; chmod 000 shut/in shut"
    )
    kept = workspace.checkpoint().checkpoint
    workspace.exec(
        "chmod 700 shut; chmod 700 shut/in; rm -rf closed shut; mkdir -p other/in; chmod 000 other"
    )
    workspace.restore(kept)
    look = "stat -c %a closed shut; chmod 700 closed shut shut/in; cat closed shut/in/y; ls"
    assert workspace.exec(look).stdout == b"0\n0\nx\ny\nclosed\ndocs\nrun.sh\nshut\n"


def test_any_checkpoint_can_be_restored_in_any_order_and_again(workspace: Workspace) -> None:
    names = []
    for i in range(5):
        workspace.exec(f"echo {i} >n; echo {i} >f{i}")
        names.append(workspace.checkpoint().checkpoint)
    assert len(set(names)) == 5
    for i in (4, 0, 3, 3, 1, 2, 0):
        workspace.restore(names[i])
        files = " ".join(f"f{j}" for j in range(i + 1))
        assert workspace.exec("cat n; echo f?").stdout == f"{i}\n{files}\n".encode()


def test_a_rewrite_of_the_same_size_right_after_is_undone(workspace: Workspace) -> None:
    for _ in range(20):
        workspace.write("n", b"kept")
        kept = workspace.checkpoint().checkpoint
        workspace.write("n", b"lost")
        workspace.restore(kept)
        assert workspace.read("n").stdout == b"kept"


def test_a_checkpoint_is_of_its_moment_even_where_a_file_grows(workspace: Workspace) -> None:
    workspace.exec("(while :; do echo line >>log; cp log copy; rm copy; done) >/dev/null 2>&1 &")
    kept = workspace.checkpoint()
    assert kept.error is None
    workspace.restore(kept.checkpoint)
    first = workspace.exec("cat log | sha256sum; pgrep -c cp").stdout
    workspace.restore(kept.checkpoint)
    assert workspace.exec("cat log | sha256sum; pgrep -c cp").stdout == first


@pytest.mark.parametrize("name", ["", "c1", "nope", "../c1", "c1\0"])
def test_an_unknown_checkpoint_is_an_error_that_changes_nothing(workspace: Workspace, name: str) -> None:
    workspace.exec("sleep 300 & echo x >x; cd docs")
    effect = workspace.restore(name)
    assert (effect.error or "").startswith("ENOENT: no such checkpoint")
    assert workspace.exec("pwd; ls ..; pgrep -c sleep").stdout == b"/workspace/docs\ndocs\nrun.sh\nx\n1\n"


def test_a_name_of_another_workspace_is_unknown(backend: Backend, workspace: Workspace) -> None:
    kept = workspace.checkpoint().checkpoint
    other = backend.open()
    try:
        assert other.restore(kept).error
    finally:
        other.close()


def test_checkpoints_have_a_limit_of_their_own_and_say_so(workspace: Workspace) -> None:
    fill = "for i in 1 2; do head -c 5M /dev/urandom >f$i; done"
    workspace.exec(fill)
    kept = workspace.checkpoint().checkpoint
    assert kept
    workspace.exec(fill)
    assert workspace.checkpoint().checkpoint
    workspace.exec(fill)
    effect = workspace.checkpoint()
    assert (effect.limit, effect.checkpoint) == ("checkpoints", "")
    assert (effect.error or "").startswith("ENOSPC: no space left for checkpoints")
    workspace.restore(kept)
    assert lives(workspace)


def test_contents_that_are_the_same_are_kept_once(workspace: Workspace) -> None:
    workspace.exec("head -c 7M /dev/urandom >f; cp f g")
    for i in range(12):
        workspace.exec(f"echo {i} >n")
        assert workspace.checkpoint().error is None


def test_trees_of_odd_shapes_are_taken_away(workspace: Workspace) -> None:
    kept = workspace.checkpoint().checkpoint
    code = (
        "import os\nfor i in range(1500):\n os.mkdir('deeper'); os.chdir('deeper')\nopen('end', 'w').close()"
    )
    python(workspace, code)
    workspace.exec(
        "mkdir -p r/o; touch r/o/x; chmod 500 r/o r; ln -s / root; ln -s loop loop; mkdir $'a\\nb'"
    )
    assert workspace.restore(kept).error is None
    assert workspace.exec("ls -A /workspace").stdout == b"docs\nrun.sh\n"


def test_links_to_elsewhere_lead_no_restore_astray(workspace: Workspace) -> None:
    workspace.exec("mkdir d; echo mine >d/passwd; echo x >f")
    kept = workspace.checkpoint().checkpoint
    workspace.exec("rm -r d f; ln -s /etc d; ln -s /etc/hosts f")
    assert workspace.restore(kept).error is None
    assert workspace.exec("cat d/passwd f; stat -c %F d f").stdout == b"mine\nx\ndirectory\nregular file\n"


def test_a_restore_of_a_full_workspace_has_room(workspace: Workspace) -> None:
    workspace.exec("head -c 8M /dev/urandom >a; head -c 7M /dev/urandom >b; sha256sum a b >/tmp/sums")
    kept = workspace.checkpoint().checkpoint
    workspace.exec("rm a b; head -c 8M /dev/zero >c; head -c 7M /dev/zero >d")
    assert workspace.restore(kept).error is None
    assert workspace.exec("sha256sum -c --quiet /tmp/sums").exit_code == 0
    assert SMALL.workspace_bytes == 16 * 2**20
