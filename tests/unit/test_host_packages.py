"""An image of the host's packages: what is taken along, and whose it is inside."""

from __future__ import annotations

import io
import shutil
import tarfile

import pytest

from engine.execute.workspaces.host_packages import Package, closure, installed, packed_tree

KNOWN = {
    "git": Package("git", (("libc6",), ("perl", "perl-base"), ("not-here",))),
    "perl-base": Package("perl-base", (("libc6",),)),
    "libc6": Package("libc6:amd64", ()),
    "vim": Package("vim", (("libc6",),)),
}


def test_a_closure_takes_the_first_choice_that_is_installed_and_nothing_else() -> None:
    assert closure(["git"], KNOWN) == ["git", "libc6:amd64", "perl-base"]
    assert closure([], KNOWN) == []


@pytest.fixture(scope="module")
def tree() -> dict[str, tarfile.TarInfo]:
    """A small tree of this host's."""
    if shutil.which("dpkg-query") is None:
        pytest.skip("needs a Debian or Ubuntu host")
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            missing = packed_tree(tar, ["bash", "coreutils", "mawk", "python3", "no-such-package"])
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            members = tar.getmembers()
    assert missing == ["no-such-package"]
    assert len({m.name for m in members}) == len(members)
    return {m.name: m for m in members}


def test_what_provides_a_name_stands_for_it() -> None:
    if shutil.which("dpkg-query") is None:
        pytest.skip("needs a Debian or Ubuntu host")
    assert "awk" in installed()


def test_the_tree_holds_what_a_workspace_needs(tree: dict[str, tarfile.TarInfo]) -> None:
    for path in ("usr/bin/bash", "usr/bin/python3", "usr/bin/ls", "usr/bin/awk", "workspace", "usr/local"):
        assert path in tree
    assert tree["bin"].linkname == "usr/bin"
    assert tree["usr/bin/awk"].linkname == "/etc/alternatives/awk"
    assert "etc/alternatives/awk" in tree


def test_the_tree_holds_nothing_of_the_hosts_own(tree: dict[str, tarfile.TarInfo]) -> None:
    assert {name for name in tree if name.startswith("etc/") and "alternatives" not in name} == {
        "etc/passwd",
        "etc/group",
        "etc/hosts",
    }
    assert not [name for name in tree if name.startswith(("usr/local/", "home", "root", "usr/share/doc/"))]


def test_all_is_roots_and_nobody_becomes_it(tree: dict[str, tarfile.TarInfo]) -> None:
    assert {(m.uid, m.gid) for m in tree.values()} == {(0, 0)}
    assert not [m.name for m in tree.values() if m.mode & 0o6022 and not m.issym() and m.name != "tmp"]
