"""What an endpoint may send to break its reader: each is one call's named failure, or survived."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from engine.errors import ModelError, StudioError
from engine.execute.tools import TOOLS
from engine.providers.openai_call import ANSWER_TRIES, Caller
from engine.providers.openai_chat import OpenAIChat
from engine.providers.openai_http import MAX_BODY_BYTES
from engine.providers.openai_line import Line
from engine.providers.openai_wire import read_answer
from engine.schema.chat import ChatMessage, Completion, Role
from engine.schema.project import EndpointSettings
from engine.schema.request import ModelRole, RequestRecord
from tests.chat_server import Answerer, Reply, chat_server, completion

HELLO = [ChatMessage(role=Role.SYSTEM, content="s"), ChatMessage(role=Role.USER, content="hello")]
KEY = "sk-very-secret-0123456789"
FINE = completion({"content": "fine"})


def asked(
    answer: Answerer, *, timeout_s: float = 10.0, **changes: Any
) -> tuple[Completion | ModelError, list[RequestRecord]]:
    """What came of one call, and the records of its requests, which can all be written."""
    records: list[RequestRecord] = []
    with chat_server(answer) as server:
        settings = EndpointSettings(base_url=server.base_url, **changes)
        caller = Caller(ModelRole.AGENT, "traj_1", records.append)
        model = OpenAIChat(settings, "m", seed=3, caller=caller)
        found: Completion | ModelError
        try:
            found = model.complete(HELLO, timeout_s=timeout_s)
        except ModelError as error:
            found = error
    str(found).encode()
    for record in records:
        RequestRecord.model_validate_json(record.model_dump_json())
    return found, records


@pytest.mark.parametrize("status", [200, 400])
def test_half_a_character_in_an_error_can_be_written_down(status: int) -> None:
    found, _ = asked(lambda *_: Reply(status, b'{"error": {"message": "bad \\ud800 end"}}'))
    assert isinstance(found, ModelError)
    assert "bad \ufffd end" in str(found)


@pytest.mark.parametrize("charset", ["base64", "rot13", "undefined", "idna"])
def test_an_error_in_no_character_set_is_read_all_the_same(charset: str) -> None:
    headers = {"Content-Type": f"text/html; charset={charset}"}
    found, _ = asked(lambda *_: Reply(401, b"<h1>no entry</h1>", headers=headers))
    assert "HTTP 401: <h1>no entry</h1>" in str(found)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"plain words", "HTTP 400: plain words"),
        (b"\x1b[31mred\x00", "HTTP 400: \ufffd[31mred\ufffd"),
        (b'{"detail": "the context is 4096 long"}', "HTTP 400: the context is 4096 long"),
        (b'{"error": "no such model"}', "HTTP 400: no such model"),
        (b'{"message": "not so"}', "HTTP 400: not so"),
        (b'{"error": {"message": "too much", "code": "context_length_exceeded"}}', "context_length_exceeded"),
        (b'{"error": {"message": "Provider returned error", "metadata": {"raw": "no room"}}}', "no room"),
        (b'{"detail": [{"loc": ["body"], "msg": "missing"}]}', '"msg": "missing"'),
        (b"[" * 50_000, "HTTP 400: [["),
        (b"", "HTTP 400"),
        (b"{}", "HTTP 400"),
    ],
)
def test_the_servers_reason_is_told_however_it_is_put(body: bytes, reason: str) -> None:
    found, _ = asked(lambda *_: Reply(400, body))
    assert reason in str(found)


def test_a_redirect_is_not_followed_and_says_where_it_points() -> None:
    with chat_server(lambda *_: FINE) as elsewhere:
        found, records = asked(lambda *_: Reply(307, headers={"Location": f"{elsewhere.base_url}/x"}))
        assert elsewhere.requests == []
    assert f"HTTP 307: it points to {elsewhere.base_url}/x, which is not followed" in str(found)
    assert [record.status for record in records] == [307]


@contextmanager
def pouring(head: bytes, piece: bytes) -> Iterator[tuple[str, list[int]]]:
    """The base URL of a server that pours `piece` after `head` without end; and the bytes it got rid of."""

    def serve() -> None:
        with suppress(OSError):  # the listener was closed: the test is over
            while True:
                pour(listener.accept()[0])

    def pour(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(head)
            while not ended.is_set():
                connection.sendall(piece)
                poured[0] += len(piece)

    ended, poured = threading.Event(), [0]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", poured
        ended.set()


@pytest.mark.parametrize("status", [b"401 No", b"500 No", b"302 Found\r\nLocation: /v1/x", b"200 OK"])
def test_no_more_is_taken_of_a_body_without_end_than_shows_that(status: bytes) -> None:
    with pouring(b"HTTP/1.1 " + status + b"\r\n\r\n", b"x" * 65536) as (base_url, poured):
        settings = EndpointSettings(base_url=base_url, max_retries=0)
        with pytest.raises(ModelError, match=r"HTTP \d+|larger than 8 MiB|Connection error"):
            OpenAIChat(settings, "m", seed=1).complete(HELLO, timeout_s=20)
    assert poured[0] < 2 * ANSWER_TRIES * MAX_BODY_BYTES


def test_an_error_that_swells_when_it_is_unpacked_is_cut() -> None:
    bomb = gzip.compress(b"x" * 50_000_000)
    found, _ = asked(lambda *_: Reply(401, bomb, headers={"Content-Encoding": "gzip"}))
    assert "HTTP 401: xxx" in str(found)


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [' + b"0," * 2_000_000 + b"0]}",
        b'{"choices": [{"message": {"tool_calls": [' + b"0," * 2_000_000 + b"0]}}]}",
        b'{"choices": [{"message": {"tool_calls": [' + b"{}," * 1_000_000 + b"{}]}}]}",
    ],
)
def test_millions_of_wrong_things_are_one_problem(body: bytes) -> None:
    began = time.process_time()
    answer = read_answer(body)
    assert answer.completion is None
    assert len(answer.problem) < 200
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": [{"type": "text", "text": "fi"}, {"type": "text", "text": "ne"}]}, "fine"),
        ({"content": "fine", "tool_calls": None}, "fine"),
        ({"content": "fine", "refusal": False, "reasoning": False}, "fine"),
    ],
)
def test_a_message_in_parts_is_read(message: dict[str, Any], content: str) -> None:
    found, _ = asked(lambda *_: completion(message))
    assert isinstance(found, Completion)
    assert found.content == content


def test_ids_and_arguments_of_another_type_are_read_as_text() -> None:
    call = {"id": 7, "type": "function", "function": {"name": "exec", "arguments": ["ls"]}}
    found, _ = asked(lambda *_: completion({"content": None, "tool_calls": [call]}))
    assert isinstance(found, Completion)
    assert [(c.id, c.name, c.arguments) for c in found.tool_calls] == [("7", "exec", '["ls"]')]


def test_a_wrong_answer_is_told_with_the_place_that_is_wrong() -> None:
    found, _ = asked(lambda *_: completion({"content": None, "tool_calls": [{"id": "a", "function": None}]}))
    assert "see its message.tool_calls.0.function" in str(found)


@pytest.mark.parametrize(
    "answer",
    [
        Reply(body=json.dumps({"error": {"message": "x" * 182 + f" {KEY} is no key"}}).encode()),
        Reply(400, json.dumps({"error": {"message": "x" * 182 + f" {KEY} is no key"}}).encode()),
        Reply(401, json.dumps({"error": {"message": " " * 20_000 + KEY}}).encode()),
        Reply(302, headers={"Location": f"http://127.0.0.1:9/{KEY}"}),
        completion({"content": "fine"}, finish_reason=KEY),
        completion({"content": ""}, finish_reason=KEY),
    ],
)
def test_no_part_of_the_key_comes_back_from_a_server_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, answer: Reply
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    found, records = asked(lambda *_: answer, log_bodies=True)
    said = str(found) if isinstance(found, ModelError) else found.content
    written = said + "".join(record.model_dump_json() for record in records)
    assert KEY[:12] not in written


@pytest.mark.parametrize("escaped", ["sk-very\\u002fsecret\\u002B0123456789", "sk-very\\/secret+0123456789"])
@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_a_key_that_an_answer_repeats_comes_into_no_record(
    monkeypatch: pytest.MonkeyPatch, escaped: str, field: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very/secret+0123456789")
    reply = completion({"content": "fine", field: "it is KEY, I think"})
    body = reply.body.replace(b"KEY", escaped.encode())
    found, records = asked(lambda *_: Reply(body=body), log_bodies=True)
    assert isinstance(found, Completion)
    assert "it is ***, I think" in (found.content, found.reasoning)
    assert "secret" not in "".join(record.model_dump_json() for record in records)


def test_no_part_of_the_key_comes_back_in_a_line_that_is_no_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    line = b"X" * 30 + KEY.encode() + b"\r\n\r\n"
    with pouring(line, b"x") as (base_url, _), pytest.raises(ModelError) as caught:
        OpenAIChat(EndpointSettings(base_url=base_url, max_retries=0), "m", seed=1).complete(HELLO)
    assert KEY[:6] not in str(caught.value)


def test_a_key_that_is_a_word_spoils_no_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    found, _ = asked(lambda *_: completion({"content": "run pytest"}))
    assert isinstance(found, Completion)
    assert found.content == "run pytest"


@pytest.mark.parametrize("proxy", ["ftp://x:1", "foo:bar", "socks5://127.0.0.1:9"])
def test_a_proxy_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with chat_server(lambda *_: FINE) as server:
        line = Line(EndpointSettings(base_url=server.base_url))
        with pytest.raises(StudioError, match="look at HTTP_PROXY"):
            line.list_models(5)
        with pytest.raises(StudioError, match="look at HTTP_PROXY"):
            OpenAIChat(line, "m", seed=1).complete(HELLO)


def test_what_nobody_foresaw_ends_the_call_and_tells_no_key(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(body: bytes) -> None:
        raise LookupError(f"odd {KEY}")

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("engine.providers.openai_call.read_answer", broken)
    found, _ = asked(lambda *_: FINE)
    assert "the answer could not be read (LookupError: odd ***)" in str(found)
    assert "a call of m broke off: LookupError" in caplog.text
    assert KEY not in caplog.text


def test_a_wait_that_nobody_can_keep_holds_nobody_else() -> None:
    def answer(_: dict[str, Any], number: int) -> Reply:
        return FINE if number else Reply(429, b"{}", headers={"Retry-After": "86400"})

    with chat_server(answer) as server:
        line = Line(EndpointSettings(base_url=server.base_url))
        with pytest.raises(ModelError, match="it asks for a wait of 86400 s"):
            OpenAIChat(line, "m", seed=1).complete(HELLO, timeout_s=5)
        assert OpenAIChat(line, "m", seed=2).complete(HELLO, timeout_s=5).content == "fine"


@pytest.mark.parametrize(
    "first",
    [
        Reply(404, b"{}"),
        Reply(503, b"overloaded, see the status tool"),
        Reply(502, b"<html><script>(function tool(){})()</script>"),
        Reply(500, b"<html><script>(function(){})()</script>"),
    ],
)
def test_a_passing_fault_changes_nothing_for_the_calls_after_it(
    first: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.providers.openai_http._FIRST_WAIT_S", 0.01)
    with chat_server(lambda _, n: FINE if n else first) as server:
        line = Line(EndpointSettings(base_url=server.base_url))
        model = OpenAIChat(line, "m", seed=1)
        schema = {"type": "object", "properties": {}}
        with suppress(ModelError):
            model.complete(HELLO, tools=TOOLS, response_schema=schema)
        assert model.complete(HELLO, tools=TOOLS, response_schema=schema).content == "fine"
        assert (model.binds_schema, model.sent_tools.value) == (True, "native")


def test_a_model_answers_where_a_loop_runs_already() -> None:
    """As in a notebook."""

    async def cell() -> Completion | ModelError:
        return asked(lambda *_: FINE)[0]

    found = asyncio.run(cell())
    assert isinstance(found, Completion), found


def test_a_name_that_is_looked_up_for_long_ends_with_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        time.sleep(3)
        raise socket.gaierror("nowhere")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model = OpenAIChat(EndpointSettings(base_url="http://models.example/v1"), "m", seed=1)
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"no answer within 0\.5 s"):
        model.complete(HELLO, timeout_s=0.5)
    assert time.monotonic() - began < 2.5


@contextmanager
def listing(body: bytes, head: bytes = b"") -> Iterator[Line]:
    """The line to a server whose list of models is `body`."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield Line(EndpointSettings(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1"))


@pytest.mark.parametrize(
    ("body", "head"),
    [(b"[" * 100_000, b""), (b"<html>", b"Content-Type: text/html; charset=base64\r\n"), (b"x" * 2**24, b"")],
)
def test_a_list_of_models_that_is_none_is_told(body: bytes, head: bytes) -> None:
    with (
        listing(body, head) as line,
        pytest.raises(StudioError, match=r"no list of models|larger than 8 MiB"),
    ):
        line.list_models(10)


def test_the_names_in_a_list_of_models_can_be_written() -> None:
    with listing(b'{"data": [{"id": "b\\ud800"}, {"id": "a\\n"}]}') as line:
        assert line.list_models(10) == ("a", "b\ufffd")
