"""What comes out of a sandbox is hostile: the host's end bounds it, checks it and never waits for ever."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from engine.execute.workspaces.channel import HEAD, MAX_HEADER_BYTES, Channel, Descriptors, LostError

MAX_BODY_BYTES = 1000
Speak = Callable[[bytes], Channel]


@pytest.fixture
def speak() -> Iterator[Speak]:
    """Starts a program that says the given bytes and then nothing more."""
    started: list[subprocess.Popen[bytes]] = []

    def start(said: bytes) -> Channel:
        code = f"import sys, time; sys.stdout.buffer.write({said!r}); sys.stdout.flush(); time.sleep(60)"
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        started.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        return Channel(Descriptors(process.stdin.fileno(), process.stdout.fileno()), MAX_BODY_BYTES)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def frame(header: object, body: bytes = b"") -> bytes:
    raw = json.dumps(header).encode()
    return HEAD.pack(len(raw), len(body)) + raw + body


REPLY = {"cwd": "/workspace", "exit_code": 0, "stdout_bytes": 2, "stderr_bytes": 1}


def test_a_valid_reply_is_taken_apart(speak: Speak) -> None:
    answer = speak(frame(REPLY, b"oue")).ask({}, b"", 10)
    assert (answer.reply.exit_code, answer.stdout, answer.stderr) == (0, b"ou", b"e")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (HEAD.pack(MAX_HEADER_BYTES + 1, 0), "more than it may"),
        (HEAD.pack(10, MAX_BODY_BYTES + 1), "more than it may"),
        (HEAD.pack(0xFFFFFFFF, 2**64 - 1), "more than it may"),
        (frame([]), "no valid one"),
        (HEAD.pack(3, 0) + b"\xff\xfe\x00", "no valid one"),
        (frame({**REPLY, "extra": 1}, b"oue"), "no valid one"),
        (frame({**REPLY, "exit_code": -1}, b"oue"), "no valid one"),
        (frame({**REPLY, "stdout_bytes": -2}, b"oue"), "no valid one"),
        (frame({**REPLY, "changes": [{"path": "a", "kind": "seen"}]}, b"oue"), "no valid one"),
        (frame(REPLY, b"ou"), "another length"),
        (frame({"ready": True}), "no valid one"),
    ],
)
def test_a_reply_that_is_wrong_means_that_the_workspace_is_lost(speak: Speak, said: bytes, why: str) -> None:
    with pytest.raises(LostError, match=why):
        speak(said).ask({}, b"", 10)


@pytest.mark.parametrize("said", [b"", b"\0\0", HEAD.pack(100, 0) + b"{"])
def test_silence_ends_at_the_deadline(speak: Speak, said: bytes) -> None:
    channel = speak(said)
    began = time.monotonic()
    with pytest.raises(LostError, match="in time"):
        channel.ask({}, b"", 0.4)
    assert time.monotonic() - began < 3


def test_one_that_does_not_listen_ends_at_the_deadline_too(speak: Speak) -> None:
    with pytest.raises(LostError, match="in time"):
        speak(b"").ask({}, b"x" * 10**6, 0.4)
