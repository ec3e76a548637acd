"""A small OpenAI-compatible server on loopback: real HTTP for the tests of the openai provider."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server sends: a status, a body, and how long it makes the client wait."""

    status: int = 200
    body: bytes = b""
    delay_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    n_missing: int = 0
    """Bytes that are announced beyond the body's and never sent: the line is cut."""


Answerer = Callable[[dict[str, Any], int], Reply]
"""Gets the request's JSON and its number (from 0), gives the reply."""


@dataclass(slots=True)
class ChatServer:
    """A running server: where it is and what it was asked."""

    base_url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    """When each request came, in seconds of `time.monotonic`."""


def completion(message: Mapping[str, Any], *, finish_reason: str = "stop") -> Reply:
    """A well-formed chat completion with this message."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "test-model",
        "choices": [
            {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", **message}}
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }
    return Reply(body=json.dumps(body).encode())


def tool_call(name: str, arguments: str, call_id: str = "call_1") -> Reply:
    """A completion that calls one tool."""
    function = {"name": name, "arguments": arguments}
    message = {"content": None, "tool_calls": [{"id": call_id, "type": "function", "function": function}]}
    return completion(message, finish_reason="tool_calls")


def user_says(query: str, *, completed: bool = False, is_success: bool = False) -> Reply:
    """The user model's JSON reply."""
    reply = {"completed": completed, "query": query, "reason": "the next step", "is_success": is_success}
    return completion({"content": json.dumps(reply)})


def refusal(what: str, status: int = 400) -> Reply:
    """The server does not take a part of the request."""
    return Reply(status, json.dumps({"error": {"message": f"{what} is not supported"}}).encode())


def is_agent(request: Mapping[str, Any]) -> bool:
    """True for the agent's requests: only they offer tools."""
    return bool(request.get("tools"))


class _Server(ThreadingHTTPServer):
    """Keeps all that ask at one moment waiting; by default the sixth is cut off on a busy machine."""

    daemon_threads = True
    request_queue_size = 128


@contextmanager
def chat_server(answer: Answerer, models: tuple[str, ...] | None = ("test-model",)) -> Iterator[ChatServer]:
    """Serves on a free loopback port within the block; with None it does not list its models."""
    state = ChatServer(base_url="")
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listed = {"object": "list", "data": [{"id": m, "object": "model"} for m in models or ()]}
            self.send(Reply(200 if models is not None else 404, json.dumps(listed).encode()))

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(state.requests)
                state.requests.append(request)
                state.authorizations.append(self.headers.get("Authorization", ""))
                state.at.append(time.monotonic())
            reply = answer(request, number)
            time.sleep(reply.delay_s)
            self.send(reply)

        def send(self, reply: Reply) -> None:
            try:
                self.send_response(reply.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply.body) + reply.n_missing))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)
            except OSError:
                return  # the client gave up waiting, as some tests want

        def log_message(self, format: str, *args: object) -> None:
            return

    server = _Server(("127.0.0.1", 0), Handler)
    state.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
