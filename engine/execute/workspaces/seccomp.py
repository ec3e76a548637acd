"""A filter of system calls: what no agent's work needs and what has let guests out of namespaces before.

It is classic BPF, as `bwrap --seccomp` takes it. Three things here are not covered by namespaces at all:
vsock sockets reach the hypervisor's host, kernel keyrings are shared by uid, and memory in a memfd or a SysV
segment belongs to no process, so that no limit of ours would see it.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Sequence
from typing import NamedTuple

ALLOW = 0x7FFF0000
REFUSE = 0x00050000
NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET."""
TERMINAL_INJECTION = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX."""
SOCKET_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK."""
X32 = 0x40000000

REFUSED: dict[str, tuple[int, int]] = {
    "add_key": (248, 217),
    "bpf": (321, 280),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
"""Numbers on x86_64 and on aarch64."""


class Machine(NamedTuple):
    """What differs from one processor to the other."""

    audit_arch: int
    column: int
    clone: int
    ioctl: int
    socket: int
    prlimit: int


MACHINES = {
    "x86_64": Machine(0xC000003E, 0, clone=56, ioctl=16, socket=41, prlimit=302),
    "aarch64": Machine(0xC00000B7, 1, clone=220, ioctl=29, socket=198, prlimit=261),
}
CLONE3 = 435

Instruction = tuple[int, int, int, int]


def filter_for(machine: str | None = None) -> bytes | None:
    """The filter for a machine (default: this one), None where its call numbers are not known here."""
    found = MACHINES.get(machine or platform.machine())
    if found is None:
        return None
    program = [
        *_load(4),
        *_unless_equal(found.audit_arch, [_refuse(errno.EPERM)]),
        *_load(0),
        *([(0x35, 0, 1, X32), _refuse(errno.ENOSYS)] if found.column == 0 else []),
    ]
    for numbers in REFUSED.values():
        program += _when(numbers[found.column], [_refuse(errno.EPERM)])
    program += _when(CLONE3, [_refuse(errno.ENOSYS)])  # its flags lie out of sight; libc falls back to clone
    program += _when(
        found.clone, [*_argument(0), (0x45, 0, 1, NEW_NAMESPACES), _refuse(errno.EPERM), _allow()]
    )
    program += _when(
        found.ioctl, [*_argument(1), *_any_of(TERMINAL_INJECTION, _refuse(errno.EPERM)), _allow()]
    )
    # Limits of others, so that nobody lowers those of the resident program, which has the same user.
    program += _when(found.prlimit, [*_argument(0), *_any_of((0,), _allow()), _refuse(errno.EPERM)])
    program += _when(
        found.socket, [*_argument(0), *_any_of(SOCKET_FAMILIES, _allow()), _refuse(errno.EAFNOSUPPORT)]
    )
    return b"".join(struct.pack("=HBBI", *step) for step in [*program, _allow()])


def _load(offset: int) -> list[Instruction]:
    return [(0x20, 0, 0, offset)]


def _argument(index: int) -> list[Instruction]:
    return _load(16 + 8 * index)  # the low word: both machines are little-endian


def _when(value: int, then: Sequence[Instruction]) -> list[Instruction]:
    return [(0x15, 0, len(then), value), *then]


def _unless_equal(value: int, then: Sequence[Instruction]) -> list[Instruction]:
    return [(0x15, len(then), 0, value), *then]


def _any_of(values: Sequence[int], then: Instruction) -> list[Instruction]:
    return [step for value in values for step in _when(value, [then])]


def _refuse(number: int) -> Instruction:
    return (0x06, 0, 0, REFUSE | number)


def _allow() -> Instruction:
    return (0x06, 0, 0, ALLOW)
