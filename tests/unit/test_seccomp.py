from __future__ import annotations

import errno
import struct

import pytest

from engine.execute.workspaces.seccomp import ALLOW, CLONE3, MACHINES, REFUSE, REFUSED, X32, filter_for


def verdict(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the kernel would make of a call: the filter, run as the kernel runs it."""
    known = MACHINES[machine]
    call = struct.pack("=IIQ", number, known.audit_arch if arch is None else arch, 0)
    call += struct.pack("=6Q", *arguments, *[0] * (6 - len(arguments)))
    program = filter_for(machine)
    assert program is not None
    steps = list(struct.iter_unpack("=HBBI", program))
    at, word = 0, 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        if code == 0x20:
            (word,) = struct.unpack_from("=I", call, value)
        elif code == 0x06:
            return int(value)
        else:
            holds = {0x15: word == value, 0x35: word >= value, 0x45: bool(word & value)}[code]
            at += yes if holds else no


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_refused_is_refused_and_the_rest_is_allowed(machine: str) -> None:
    known = MACHINES[machine]
    refused = {numbers[known.column] for numbers in REFUSED.values()}
    special = {CLONE3, known.clone, known.ioctl, known.socket, known.prlimit}
    assert len(refused) == len(REFUSED)
    assert not refused & special
    for number in range(600):
        if number not in special:
            wanted = REFUSE | errno.EPERM if number in refused else ALLOW
            assert verdict(machine, number) == wanted


@pytest.mark.parametrize("machine", MACHINES)
def test_some_calls_are_judged_by_their_arguments(machine: str) -> None:
    known = MACHINES[machine]
    assert verdict(machine, CLONE3) == REFUSE | errno.ENOSYS
    assert verdict(machine, known.clone, 0x1200011) == ALLOW
    assert verdict(machine, known.clone, 0x10000011) == REFUSE | errno.EPERM
    assert verdict(machine, known.ioctl, 0, 0x5401) == ALLOW
    assert verdict(machine, known.ioctl, 0, 0x5412) == REFUSE | errno.EPERM
    assert verdict(machine, known.ioctl, 0, 0xFF_0000_5412) == REFUSE | errno.EPERM
    assert [verdict(machine, known.socket, family) for family in (1, 2, 10, 16)] == [ALLOW] * 4
    assert [verdict(machine, known.prlimit, pid) for pid in (0, 1)] == [ALLOW, REFUSE | errno.EPERM]
    assert verdict(machine, known.socket, 40) == REFUSE | errno.EAFNOSUPPORT


def test_another_machines_calls_are_no_way_round() -> None:
    assert verdict("x86_64", 1, arch=0x40000003) == REFUSE | errno.EPERM
    assert verdict("aarch64", 64, arch=0x40000028) == REFUSE | errno.EPERM
    assert verdict("x86_64", X32 + 1) == REFUSE | errno.ENOSYS
    assert filter_for("riscv64") is None
