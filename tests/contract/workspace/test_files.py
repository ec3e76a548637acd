"""Files: read, written, and the account of what changed."""

from __future__ import annotations

import hashlib
import time

import pytest

from engine.ports import Workspace
from tests.contract.workspace.cases import SMALL, changes, kinds, lives, python


def test_a_workspace_starts_from_the_snapshot_with_modes(workspace: Workspace) -> None:
    assert workspace.exec("cat docs/readme.txt; ./run.sh; stat -c %a docs run.sh docs/readme.txt").stdout == (
        b"hello\nran\n755\n755\n644\n"
    )
    assert workspace.exec("true").changes == ()


def test_what_was_written_is_read_back_byte_by_byte(workspace: Workspace) -> None:
    data = bytes(range(256)) * 300
    assert workspace.write("a/b/c.bin", data).error is None
    effect = workspace.read("/workspace/a/b/c.bin")
    assert (effect.stdout, effect.stdout_total_bytes) == (data, len(data))
    assert workspace.read("~/a/b/c.bin").stdout == data


def test_a_write_replaces_the_whole_file(workspace: Workspace) -> None:
    workspace.write("a.txt", b"a long first version")
    workspace.write("a.txt", b"short")
    assert workspace.read("a.txt").stdout == b"short"
    assert workspace.write("empty", b"").error is None
    assert workspace.exec("stat -c %s empty").stdout == b"0\n"


def test_a_write_keeps_the_mode_of_what_is_there(workspace: Workspace) -> None:
    workspace.write("run.sh", b"echo other\n")
    assert workspace.exec("./run.sh; stat -c %a run.sh").stdout == b"other\n755\n"


def test_errors_of_files_are_named(workspace: Workspace) -> None:
    assert workspace.read("notes.txt").error == "ENOENT: no such file or directory: notes.txt"
    assert workspace.read("docs").error == "EISDIR: is a directory: docs"
    assert workspace.read("nul\0byte").error == "EINVAL: invalid argument: nul\0byte"
    assert workspace.write("docs", b"").error == "EISDIR: is a directory: docs"
    assert workspace.write("docs/readme.txt/x", b"").error == "ENOTDIR: not a directory: docs/readme.txt/x"
    assert workspace.write("/usr/x", b"").error == "EROFS: read-only file system: /usr/x"
    assert workspace.write("/proc/self/oom_score_adj", b"0").error is not None


@pytest.mark.parametrize("path", ["", ".", "..", "/", "a/../..", "~", "x" * 4096, "\udcff", "a" * 256])
def test_odd_paths_are_errors_and_the_workspace_lives(workspace: Workspace, path: str) -> None:
    assert workspace.read(path).error
    assert workspace.write(path, b"x").error
    assert lives(workspace)


def test_a_path_of_nearly_4096_bytes_works_and_a_longer_one_is_an_error(workspace: Workspace) -> None:
    path = "/".join(["d" * 200] * 20)
    assert workspace.write(path, b"deep").error is None
    assert workspace.read(path).stdout == b"deep"
    longer = path + "/" + "d" * 100
    assert (workspace.write(longer, b"x").error or "").startswith("E")
    assert (workspace.read("/workspace/" + "d/" * 2043 + "d").error or "").startswith("ENAMETOOLONG")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/random", "/dev/tty", "/dev/stdin"])
def test_a_device_is_no_file_to_read_or_write(workspace: Workspace, device: str) -> None:
    assert workspace.read(device).error
    assert workspace.write(device, b"x").error
    assert lives(workspace)


def test_a_file_beyond_the_output_limit_is_read_up_to_it(workspace: Workspace) -> None:
    workspace.exec("head -c 1000000 /dev/zero >big")
    effect = workspace.read("big")
    assert (len(effect.stdout), effect.stdout_total_bytes) == (SMALL.output_bytes, 1_000_000)


def test_file_changes_are_told_with_diffs(workspace: Workspace) -> None:
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


def test_writes_tell_their_change_and_a_touch_is_none(workspace: Workspace) -> None:
    assert kinds(workspace.write("deep/a.txt", b"x")) == {"deep/": "created", "deep/a.txt": "created"}
    assert workspace.write("deep/a.txt", b"x").changes == ()
    assert workspace.exec("touch deep/a.txt").changes == ()
    assert workspace.exec("chmod +x deep/a.txt").changes[0].mode == 0o755
    assert kinds(workspace.exec("mv deep/a.txt b.txt")) == {"b.txt": "created", "deep/a.txt": "deleted"}


def test_a_change_that_puts_size_and_time_back_is_still_seen(workspace: Workspace) -> None:
    effect = workspace.exec(
        "touch -r docs/readme.txt ref; printf HELLO | dd conv=notrunc of=docs/readme.txt; "
        "touch -r ref docs/readme.txt; rm ref"
    )
    assert kinds(effect) == {"docs/readme.txt": "modified"}


def test_no_quick_rewrite_of_the_same_size_is_missed(workspace: Workspace) -> None:
    workspace.write("n", b"0")
    for i in range(60):
        assert kinds(workspace.write("n", b"%d" % ((i + 1) % 2))) == {"n": "modified"}


def test_a_large_or_binary_file_has_a_hash_and_no_diff(workspace: Workspace) -> None:
    effect = workspace.exec("printf 'a\\0b' >bin; seq 30000 >long.txt; printf '\\377' >latin")
    assert [(c.path, c.diff, bool(c.sha256)) for c in effect.changes] == [
        ("bin", None, True),
        ("latin", None, True),
        ("long.txt", None, True),
    ]


def test_a_file_that_becomes_a_folder_or_a_link_is_told(workspace: Workspace) -> None:
    assert kinds(workspace.exec("rm run.sh; mkdir run.sh")) == {"run.sh": "deleted", "run.sh/": "created"}
    effect = workspace.exec("rm docs/readme.txt; ln -s ../run.sh docs/readme.txt")
    assert kinds(effect) == {"docs/readme.txt": "modified"}
    assert changes(effect)["docs/readme.txt"].sha256 == hashlib.sha256(b"../run.sh").hexdigest()


def test_hard_links_are_told_by_each_of_their_names(workspace: Workspace) -> None:
    assert kinds(workspace.exec("ln docs/readme.txt twin")) == {"twin": "created"}
    assert set(kinds(workspace.exec("echo more >>twin"))) == {"docs/readme.txt", "twin"}


def test_ten_thousand_files_do_not_blow_up_the_record(workspace: Workspace) -> None:
    effect = workspace.exec("mkdir many; cd many; for i in $(seq 10000); do echo $i >$i; done")
    assert (len(effect.changes), effect.n_changes) == (2000, 10_001)
    assert workspace.exec("true").n_changes == 0


def test_folders_too_deep_for_a_path_neither_break_the_account_nor_stay(workspace: Workspace) -> None:
    code = (
        "import os\nfor i in range(1500):\n os.mkdir('deeper'); os.chdir('deeper')\nopen('end', 'w').close()"
    )
    effect = python(workspace, code)
    assert (effect.exit_code, effect.error) == (0, None)
    assert "deeper/" in changes(effect)
    assert lives(workspace)
    assert workspace.exec("rm -r deeper").exit_code == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("$'\\xff<b>\\n'", "\\xff<b>\n"),
        ("-rf", "-rf"),
        ("$'\\e[2J'", "\x1b[2J"),
        ("$'\\u202etxt.exe'", "\u202etxt.exe"),
        ("' '", " "),
        ("'<script>alert(1)</script>'", None),
        ("'..a'", "..a"),
    ],
)
def test_names_that_are_no_plain_text_are_told_as_text(
    workspace: Workspace, name: str, told: str | None
) -> None:
    effect = workspace.exec(f"export LC_ALL=C.UTF-8; touch -- {name}" if told else f"touch -- {name} || true")
    if told is None:  # a slash stands in the name: no file can be called so
        assert effect.changes == ()
    else:
        assert kinds(effect) == {told: "created"}
    assert effect.model_dump_json()


def test_a_folder_that_is_closed_hides_its_files_but_does_not_delete_them(workspace: Workspace) -> None:
    assert kinds(workspace.exec("chmod 000 docs")) == {"docs/": "modified"}
    assert workspace.exec("chmod 000 /workspace").exit_code == 0
    assert workspace.exec("chmod 755 docs; cat docs/readme.txt").stdout == b"hello\n"


def test_a_file_that_is_closed_is_told_without_a_hash(workspace: Workspace) -> None:
    effect = workspace.exec("echo x >closed; chmod 000 closed")
    assert (changes(effect)["closed"].mode, changes(effect)["closed"].size_bytes) == (0, 2)
    assert (workspace.read("closed").error or "").startswith("EACCES")


def test_a_sparse_file_of_a_terabyte_is_refused_and_a_small_one_costs_nothing(workspace: Workspace) -> None:
    assert workspace.exec("truncate -s 1T huge; stat -c %s huge").stdout == b"0\n"
    effect = workspace.exec("rm -f huge; truncate -s 8M sparse; du -k sparse | cut -f1")
    assert (effect.stdout, changes(effect)["sparse"].size_bytes) == (b"0\n", 8 * 2**20)
    assert changes(effect)["sparse"].sha256 == hashlib.sha256(bytes(8 * 2**20)).hexdigest()


def test_a_file_that_changes_while_it_is_read_is_read_without_an_error(workspace: Workspace) -> None:
    workspace.exec("while :; do head -c $((RANDOM * 3)) /dev/zero >f; mv f g; rm -f g; cp run.sh f; done &")
    for _ in range(40):
        effect = workspace.read("f")
        assert effect.error is None or effect.error.startswith("ENOENT")
        assert len(effect.stdout) <= effect.stdout_total_bytes
    assert lives(workspace)


def test_a_tree_that_changes_while_it_is_walked_breaks_no_account(workspace: Workspace) -> None:
    churn = "while :; do mkdir -p t/{a,b,c}/{1,2,3}; touch t/{a,b}/{1,2}/x; rm -rf t; done"
    workspace.exec(f"({churn}) >/dev/null 2>&1 &")
    for _ in range(30):
        effect = workspace.exec("true")
        assert (effect.exit_code, effect.error) == (0, None)


def test_sockets_and_pipes_are_told_as_what_they_are(workspace: Workspace) -> None:
    code = "import os, socket\nsocket.socket(1).bind('sock')\nos.mkfifo('pipe')"
    effect = python(workspace, code)
    assert kinds(effect) == {"pipe": "created", "sock": "created"}
    assert {c.sha256 for c in effect.changes} == {None}


def test_the_account_of_five_hundred_files_stays_small_and_true(workspace: Workspace) -> None:
    workspace.exec("for d in $(seq 25); do mkdir d$d; for f in $(seq 20); do echo $f >d$d/$f; done; done")
    began = time.monotonic()
    effect = workspace.exec("echo x >>d3/7; rm d4/8; echo new >d5/new")
    assert time.monotonic() - began < 10
    assert kinds(effect) == {"d3/7": "modified", "d4/8": "deleted", "d5/new": "created"}
