"""Gives up, for good, writing, the network, and reading outside some folders: Linux Landlock.

The kernel's own word, below whatever a database may still be talked into. Where the kernel has no Landlock
the other bounds of the query child stand alone.

The kernel binds the thread that asks and the threads that it starts afterwards.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_READ = (1 << 2) | (1 << 3)
"""LANDLOCK_ACCESS_FS_READ_FILE and READ_DIR."""
_FS_BITS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many file-system rights each version of the interface knows; later ones know 16."""
_ALL_NET = 0b11
"""Binding and connecting TCP."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64), ("handled_access_net", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def forbid_writing() -> bool:
    """No file can be made, changed, run or removed from now on, and no connection made.

    Returns:
        True where the kernel enforces it.

    Raises:
        OSError: The kernel has Landlock but refused: the caller must not go on.
    """
    abi = _abi()
    all_fs = (1 << _FS_BITS_BY_ABI.get(abi, 16)) - 1
    return _restrict(abi, all_fs & ~_READ, _ALL_NET if abi >= 4 else 0, ())


def forbid_reading_but(folders: Iterable[Path]) -> bool:
    """No file outside `folders` can be opened from now on.

    Returns:
        True where the kernel enforces it.

    Raises:
        OSError: The kernel has Landlock but refused: the caller must not go on.
    """
    return _restrict(_abi(), _READ, 0, folders)


def _abi() -> int:
    """The version of the kernel's Landlock; 0 where it has none."""
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None)
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)))


def _restrict(abi: int, fs_rights: int, net_rights: int, readable: Iterable[Path]) -> bool:
    if not abi:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    rules = _Ruleset(fs_rights, net_rights)
    size = ctypes.c_size_t(16 if abi >= 4 else 8)
    ruleset = _checked(libc.syscall(_CREATE_RULESET, ctypes.byref(rules), size, 0))
    for folder in readable:
        handle = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        rule = _PathBeneath(_READ, handle)
        _checked(libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0))
        os.close(handle)
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    return True


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
