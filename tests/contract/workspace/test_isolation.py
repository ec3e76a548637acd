"""What of the host and of other workspaces is out of reach: network, files, processes, environment."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.ports import Workspace
from tests.contract.workspace.cases import CANARY, REPOSITORY, Backend, python, said

CONNECT = """
import socket
s = socket.socket({family}, {kind})
s.settimeout(1)
try:
    s.connect({address})
    s.send(b"hello")
    print("connected")
except OSError as error:
    print("refused", error.errno)
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A service on the host's loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        yield server


def test_a_service_on_the_hosts_loopback_is_not_reached(
    workspace: Workspace, listener: socket.socket
) -> None:
    address = ("127.0.0.1", listener.getsockname()[1])
    code = CONNECT.format(family=socket.AF_INET.value, kind=socket.SOCK_STREAM.value, address=address)
    assert python(workspace, code).stdout == b"refused 111\n"
    with pytest.raises(TimeoutError):
        listener.accept()


def test_a_datagram_does_not_reach_the_hosts_loopback(workspace: Workspace) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.3)
        address = server.getsockname()
        python(workspace, CONNECT.format(family=2, kind=2, address=address))
        with pytest.raises(TimeoutError):
            server.recv(100)


def test_an_abstract_socket_of_the_host_is_not_reached(workspace: Workspace) -> None:
    name = f"\0{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        assert python(workspace, CONNECT.format(family=1, kind=1, address=repr(name))).stdout == (
            b"refused 111\n"
        )


def test_a_socket_file_of_the_host_is_not_reached(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert python(workspace, CONNECT.format(family=1, kind=1, address=repr(str(path)))).stdout == (
            b"refused 2\n"
        )


@pytest.mark.parametrize(
    ("family", "kind", "address"),
    [
        (2, 1, ("198.51.100.1", 80)),
        (2, 1, ("203.0.113.1", 443)),
        (2, 2, ("198.51.100.1", 53)),
        (2, 1, ("169.254.169.254", 80)),
        (2, 1, ("10.0.0.1", 22)),
        (10, 1, ("2001:db8::1", 80)),
        (10, 2, ("fe80::1", 53)),
    ],
)
def test_the_outside_is_unreachable(
    workspace: Workspace, family: int, kind: int, address: tuple[str, int]
) -> None:
    effect = python(workspace, CONNECT.format(family=family, kind=kind, address=address))
    assert effect.stdout in (b"refused 101\n", b"refused 99\n", b"refused 22\n")


def test_no_name_is_resolved(workspace: Workspace) -> None:
    effect = workspace.exec("getent hosts example.com || echo none", timeout_s=20)
    assert effect.stdout == b"none\n"


NEW_LINK = """
import socket, struct
try:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
    print("raw")
except OSError as error:
    print(error.errno)
netlink = socket.socket(16, socket.SOCK_RAW, 0)
new_link, request_ack_create = 16, 0x405
netlink.send(struct.pack("=IHHII", 32, new_link, request_ack_create, 1, 0) + bytes(16))
print(struct.unpack_from("=i", netlink.recv(100), 16)[0])
"""


def test_loopback_is_the_only_interface_and_none_can_be_made(workspace: Workspace) -> None:
    assert workspace.exec("tail -n +3 /proc/net/dev | grep -vc lo:").stdout == b"0\n"
    assert python(workspace, NEW_LINK).stdout.split() == [b"1", b"-1"]


FAMILIES = {"vsock": 40, "packet": 17, "alg": 38, "bluetooth": 31, "can": 29, "tipc": 30, "xdp": 44}


@pytest.mark.parametrize("family", FAMILIES)
def test_sockets_of_other_kinds_are_refused(workspace: Workspace, family: str) -> None:
    effect = python(workspace, f"import socket\nsocket.socket({FAMILIES[family]}, socket.SOCK_RAW)")
    assert "Error" in said(effect)


def test_files_of_the_host_are_invisible(workspace: Workspace, tmp_path: Path) -> None:
    marker = tmp_path / secrets.token_hex(8)
    marker.write_text(CANARY)
    assert workspace.exec(f"ls {marker} {REPOSITORY}").exit_code == 2
    assert workspace.read(str(marker)).error
    look = f"grep -rls {CANARY} / --exclude-dir=proc --exclude-dir=usr --exclude-dir=sys"
    assert workspace.exec(look).stdout == b""


def test_home_folders_and_the_like_are_empty_or_missing(workspace: Workspace) -> None:
    places = "/usr/local /home /root /opt /srv /mnt /media /boot /var/lib /run/user /etc/ssh /etc/shadow"
    effect = workspace.exec(f"find {places} -mindepth 1 2>/dev/null; cat /etc/shadow")
    assert effect.stdout == b""


def test_the_workers_environment_and_keys_stay_outside(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "ISE_SOMETHING"):
        monkeypatch.setenv(name, CANARY)
    workspace = backend.open()
    try:
        effect = workspace.exec(
            "env; export -p; set; cat /proc/*/environ /proc/*/cmdline; cat /proc/*/task/*/environ"
        )
        assert effect.stdout_total_bytes > 100
        assert CANARY not in said(effect)
    finally:
        workspace.close()


def test_processes_of_the_host_are_neither_seen_nor_reached(workspace: Workspace) -> None:
    host = subprocess.Popen(["sleep", "100"])
    try:
        effect = workspace.exec(
            f"ps -eo args | grep -c 'sleep 10[0]'; kill -9 {host.pid}; ls -d /proc/{host.pid}"
        )
        assert effect.stdout == b"0\n"
        assert host.poll() is None
        assert int(workspace.exec("set -- /proc/[0-9]*; echo $#").stdout) <= 2
    finally:
        host.kill()
        host.wait()


def test_the_hosts_name_and_disks_are_not_told(workspace: Workspace) -> None:
    host = socket.gethostname()
    effect = workspace.exec(
        "hostname; uname -n; cat /proc/sys/kernel/hostname /etc/hostname; cat /proc/partitions /proc/cmdline"
    )
    assert host not in said(effect).split()


def test_the_working_user_is_an_ordinary_one(workspace: Workspace) -> None:
    said_ = workspace.exec(
        "id -u; grep -E 'CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp:' /proc/self/status"
    ).stdout.split()
    assert int(said_[0]) not in (0, os.getuid() if os.getuid() else 0)
    words = dict(zip(said_[1::2], said_[2::2], strict=True))
    assert {words[b"Cap" + s + b":"] for s in (b"Inh", b"Prm", b"Eff", b"Bnd", b"Amb")} == {b"0" * 16}
    assert (words[b"NoNewPrivs:"], words[b"Seccomp:"]) == (b"1", b"2")


def test_nothing_outside_the_workspaces_own_places_can_be_written(workspace: Workspace) -> None:
    places = "/ /usr /usr/bin /usr/lib /usr/local /etc /dev /proc /sys /var /bin /lib /.ise /boot /home"
    effect = workspace.exec(f"for d in {places}; do touch $d/x 2>/dev/null && echo $d; done")
    assert effect.stdout == b""
    assert workspace.exec(
        "rm -f /usr/bin/env; chmod 777 /usr/bin; >/usr/bin/env; mv /etc/passwd /tmp"
    ).exit_code
    assert workspace.exec("touch /tmp/x /dev/shm/x x; /usr/bin/env true").exit_code == 0


def test_two_workspaces_share_nothing(backend: Backend, workspace: Workspace) -> None:
    marker = secrets.token_hex(6)
    workspace.write("mine.txt", b"1")
    workspace.exec(f"touch /tmp/{marker} /dev/shm/{marker} /run/{marker}; sleep 300 &")
    serve = f"import socket, time\ns = socket.socket(1); s.bind('\\0{marker}'); s.listen(); time.sleep(60)"
    workspace.write("/tmp/serve.py", serve.encode())
    workspace.exec("python3 /tmp/serve.py >/dev/null 2>&1 &")
    other = backend.open()
    try:
        effect = other.exec(f"ls mine.txt /tmp/{marker} /dev/shm/{marker} /run/{marker}; pgrep -x sleep")
        assert (effect.stdout, effect.exit_code) == (b"", 1)
        code = CONNECT.format(family=1, kind=1, address=repr(f"\0{marker}"))
        assert python(other, code).stdout == b"refused 111\n"
    finally:
        other.close()


def test_no_effect_names_a_path_of_the_host(workspace: Workspace, tmp_path: Path) -> None:
    import base64
    import sys

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
    told = "".join(
        base64.b16encode(e.stdout + e.stderr).decode() + e.model_dump_json(exclude={"stdout", "stderr"})
        for e in effects
    )
    paths = {REPOSITORY, Path(sys.prefix), tmp_path.parent, Path(sys.executable).parent}
    for path in (p for p in paths if not p.is_relative_to("/usr")):
        assert str(path) not in told
        assert base64.b16encode(str(path).encode()).decode() not in told


def test_calls_from_several_threads_each_have_a_workspace_of_their_own(backend: Backend) -> None:
    found: dict[int, bytes] = {}

    def play(i: int) -> None:
        workspace = backend.open()
        try:
            workspace.exec(f"echo {i} >n; export N={i}")
            found[i] = workspace.exec("cat n; echo $N").stdout
        finally:
            workspace.close()

    threads = [threading.Thread(target=play, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: b"%d\n%d\n" % (i, i) for i in range(4)}
