"""The kernel's own doors: devices, /proc, and the system calls that have let guests out before."""

from __future__ import annotations

import platform

import pytest

from engine.ports import Workspace
from tests.contract.workspace.cases import lives, python, said

CLOSED_TO_READERS = [
    "/proc/1/environ",
    "/proc/1/mem",
    "/proc/1/maps",
    "/proc/1/fd/0",
    "/proc/1/fd/1",
    "/proc/1/auxv",
    "/proc/1/pagemap",
    "/proc/1/syscall",
    "/proc/1/stack",
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/slabinfo",
    "/proc/vmallocinfo",
    "/dev/mem",
    "/dev/kmem",
    "/dev/port",
    "/dev/kmsg",
    "/dev/sda",
    "/dev/vda",
    "/dev/nvme0n1",
    "/dev/fuse",
    "/dev/kvm",
    "/dev/net/tun",
    "/dev/loop-control",
    "/dev/loop0",
    "/dev/vsock",
    "/dev/vhost-vsock",
    "/dev/cpu/0/msr",
    "/dev/hwrng",
    "/dev/rtc0",
    "/dev/userfaultfd",
    "/sys/kernel/debug",
    "/sys/firmware",
    "/sys/kernel/security",
]
CLOSED_TO_WRITERS = [
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/user/max_user_namespaces",
    "/proc/1/oom_score_adj",
    "/proc/1/mem",
    "/proc/1/fd/1",
    "/proc/1/setgroups",
    "/proc/1/uid_map",
    "/proc/1/comm",
    "/proc/self/uid_map",
    "/proc/self/setgroups",
    "/sys/power/state",
    "/sys/fs/cgroup/cgroup.procs",
    "/dev/kmsg",
    "/dev/mem",
]

# name -> (number on x86_64, on aarch64, arguments)
CALLS: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "acct": (163, 89, (0,)),
    "add_key": (248, 217, (0, 0, 0, 0, 0)),
    "adjtimex of another clock": (305, 266, (0, 0)),
    "bpf": (321, 280, (0, 0, 0)),
    "chroot": (161, 51, (0,)),
    "clock_settime": (227, 112, (0, 0)),
    "clone into a user namespace": (56, 220, (0x10000011, 0, 0, 0, 0)),
    "delete_module": (176, 106, (0, 0)),
    "fanotify_init": (300, 262, (0x4, 0)),
    "finit_module": (313, 273, (0, 0, 0)),
    "fsopen": (430, 430, (0, 0)),
    "init_module": (175, 105, (0, 0, 0)),
    "io_uring_setup": (425, 425, (1, 0)),
    "kcmp": (312, 272, (1, 1, 0, 0, 0)),
    "kexec_load": (246, 104, (0, 0, 0, 0)),
    "keyctl": (250, 219, (0, 0, 0)),
    "memfd_create": (319, 279, (0, 0)),
    "mount": (165, 40, (0, 0, 0, 0, 0)),
    "move_mount": (429, 429, (0, 0, 0, 0, 0)),
    "name of another host": (170, 161, (0, 0)),
    "open_by_handle_at": (304, 265, (0, 0, 0)),
    "open_tree": (428, 428, (0, 0, 1)),
    "perf_event_open": (298, 241, (0, 0, 0, 0, 0)),
    "pidfd_getfd": (438, 438, (0, 0, 0)),
    "pivot_root": (155, 41, (0, 0)),
    "process_vm_readv": (310, 270, (1, 0, 0, 0, 0, 0)),
    "process_vm_writev": (311, 271, (1, 0, 0, 0, 0, 0)),
    "ptrace": (101, 117, (16, 1, 0, 0)),
    "quotactl": (179, 60, (0, 0, 0, 0)),
    "reboot": (169, 142, (0xFEE1DEAD, 672274793, 0x1234567, 0)),
    "request_key": (249, 218, (0, 0, 0, 0)),
    "setns": (308, 268, (0, 0)),
    "setuid to root": (105, 146, (0,)),
    "setgid to root": (106, 144, (0,)),
    "settimeofday": (164, 170, (0, 0)),
    "shmget": (29, 194, (0, 4096, 0o1600)),
    "swapon": (167, 224, (0, 0)),
    "syslog": (103, 116, (3, 0, 0)),
    "umount2": (166, 39, (0, 0)),
    "unshare of the mounts": (272, 97, (0x20000,)),
    "unshare of the users": (272, 97, (0x10000000,)),
    "userfaultfd": (323, 282, (0,)),
}
TRY = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
path = ctypes.create_string_buffer(b"/tmp")
numbers = {numbers}
arguments = [ctypes.c_long(a) for a in {arguments}]
{prepare}
result = libc.syscall(numbers[os.uname().machine != "x86_64"], *arguments)
refused = result == -1 and ctypes.get_errno() in {errnos}
print("refused" if refused else "allowed", result, ctypes.get_errno())
"""
NO_SUCH_USER = ("setuid to root", "setgid to root")
"""Refused as invalid where the root of a namespace is not there at all."""
PUSH = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
terminal = os.openpty()[1]
for request in (0x5412, 0x541C, 0xFF00005412):
    print(libc.ioctl(terminal, ctypes.c_ulong(request), b"x"), ctypes.get_errno())
"""
HONEST_WORK = """
import multiprocessing, os, select, socket, subprocess, tempfile, threading
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
child = subprocess.run(["echo", "child"], capture_output=True)
print(child.stdout, socket.socketpair()[0].family.name)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
with tempfile.TemporaryFile() as file:
    print(file.write(b"x"))
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
print("tcp")
print(os.pipe2(0)[0] > 2, select.epoll().fileno() > 2, os.openpty()[0] > 2)
"""
WITH_PATH = "arguments[0] = path"
WITH_TIME = "arguments[-1] = ctypes.create_string_buffer(16)"
PREPARE = {"chroot": WITH_PATH, "acct": WITH_PATH, "clock_settime": WITH_TIME}
PREPARE["settimeofday"] = "arguments[0] = ctypes.create_string_buffer(16)"
PREPARE["name of another host"] = "arguments[:] = [path, ctypes.c_long(4)]"
PREPARE["adjtimex of another clock"] = (
    "buffer = ctypes.create_string_buffer(300); buffer[0] = b'\\2'; arguments[1] = buffer"
)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="call numbers are not known here")
@pytest.mark.parametrize("name", CALLS)
def test_a_dangerous_system_call_is_refused(shared: Workspace, name: str) -> None:
    *numbers, arguments = CALLS[name]
    errnos = (1, 22) if name in NO_SUCH_USER else (1, 13, 38)
    code = TRY.format(
        numbers=numbers, arguments=list(arguments), prepare=PREPARE.get(name, ""), errnos=errnos
    )
    effect = python(shared, code)
    assert effect.stdout.startswith(b"refused"), said(effect)


@pytest.mark.parametrize("path", CLOSED_TO_READERS)
def test_a_door_of_the_kernel_is_closed_to_readers(shared: Workspace, path: str) -> None:
    effect = shared.exec(f"timeout 2 head -c 1 {path} | wc -c")
    assert effect.stdout == b"0\n"
    assert shared.read(path).stdout == b""


@pytest.mark.parametrize("path", CLOSED_TO_WRITERS)
def test_a_door_of_the_kernel_is_closed_to_writers(shared: Workspace, path: str) -> None:
    effect = shared.exec(f"(echo 1 >{path}) 2>/dev/null && echo written")
    assert b"written" not in effect.stdout
    assert shared.write(path, b"1").error
    assert lives(shared)


def test_no_device_node_can_be_made(workspace: Workspace) -> None:
    effect = workspace.exec("mknod d c 1 1; mknod e b 8 0; mknod /tmp/f c 1 3; ls d e /tmp/f 2>/dev/null")
    assert effect.stdout == b""


def test_nothing_is_mounted_or_rooted_anew(workspace: Workspace) -> None:
    tries = ("mount -t tmpfs t docs", "mount --bind /usr docs", "umount /proc", "chroot . /bin/true")
    for command in tries:
        assert workspace.exec(f"{command} 2>/dev/null && echo done").stdout == b""


def test_no_namespace_can_be_nested(workspace: Workspace) -> None:
    for flag in ("-U", "-Ur", "-m", "-n", "-p --fork", "-i", "-u", "-C", "-Urmpn --fork"):
        assert workspace.exec(f"unshare {flag} true 2>/dev/null && echo nested").stdout == b"", flag
    bwrap = "bwrap --unshare-user --ro-bind / / true 2>/dev/null && echo nested"
    assert workspace.exec(bwrap).stdout == b""
    assert workspace.exec("nsenter -t 1 -a true 2>/dev/null && echo entered").stdout == b""


def test_setuid_programs_raise_nobody(workspace: Workspace) -> None:
    workspace.exec("cp /usr/bin/id mine; chmod 6755 mine")
    assert workspace.exec("./mine -u").stdout == workspace.exec("id -u").stdout
    become = "for p in su sudo pkexec newgrp; do $p -c id </dev/null; done 2>/dev/null"
    assert b"uid=0" not in workspace.exec(become).stdout


def test_keystrokes_cannot_be_pushed_into_a_terminal(workspace: Workspace) -> None:
    assert python(workspace, PUSH).stdout.splitlines() == [b"-1 1"] * 3


def test_what_honest_work_needs_is_allowed(workspace: Workspace) -> None:
    assert python(workspace, HONEST_WORK).stdout.decode().splitlines() == [
        "thread",
        "b'child\\n' AF_UNIX",
        "[1, 2]",
        "1",
        "tcp",
        "True True True",
    ]


def test_git_and_other_tools_of_the_trade_work(workspace: Workspace) -> None:
    if workspace.exec("command -v git").exit_code:
        pytest.skip("there is no git in this sandbox: install it on the host")
    command = "git init -q . && git add -A && git commit -qm one && git log --format=%s && git status --short"
    assert workspace.exec(command).stdout == b"one\n"
