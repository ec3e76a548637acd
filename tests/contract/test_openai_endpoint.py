"""The same loop over real HTTP: the openai provider against a small compatible server."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from pydantic import ValidationError

from engine import build
from engine.errors import InputError, ModelError
from engine.execute.agent import Agent
from engine.execute.workspaces.backend import Backend
from engine.providers.openai_chat import OpenAIChat
from engine.rollout import play
from engine.schema.chat import ChatMessage, Role
from engine.schema.project import EndpointSettings
from engine.schema.run import Limits
from engine.schema.sandbox import BlobRef
from engine.schema.trajectory import StopReason, Trajectory
from engine.simulate.user import REPLY_SCHEMA, UserSimulator
from tests.builders import make_intent, make_provenance, make_trajectory
from tests.chat_server import Answerer, Reply, chat_server, completion, is_agent, tool_call, user_says

HELLO = [ChatMessage(role=Role.SYSTEM, content="s"), ChatMessage(role=Role.USER, content="hello")]


def endpoint(base_url: str, **changes: Any) -> EndpointSettings:
    return EndpointSettings(base_url=base_url, **{"max_retries": 3, **changes})


def ask(answer: Answerer, *, timeout_s: float = 10.0, **changes: Any) -> tuple[str, int]:
    """The content that came back and the number of requests that it took."""
    with chat_server(answer) as server:
        model = OpenAIChat(endpoint(server.base_url, **changes), "test-model", seed=3)
        return model.complete(HELLO, timeout_s=timeout_s).content, len(server.requests)


def test_a_429_is_waited_out_and_asked_again() -> None:
    def answer(_: dict[str, Any], number: int) -> Reply:
        if number < 2:
            return Reply(429, b'{"error": {"message": "slow down"}}', headers={"Retry-After": "0"})
        return completion({"content": "there you are"})

    assert ask(answer) == ("there you are", 3)


def test_a_500_is_asked_again_and_named_when_it_stays() -> None:
    with pytest.raises(ModelError, match="HTTP 500"):
        ask(lambda *_: Reply(500, b'{"error": {"message": "broken"}}'), max_retries=1)


def test_a_time_out_is_named_with_its_seconds() -> None:
    with pytest.raises(ModelError, match=r"no answer within 0\.3 s"):
        ask(lambda *_: Reply(delay_s=3.0), timeout_s=0.3, max_retries=0)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{not json", "no chat completion"),
        (b'{"choices": "none"}', "no chat completion"),
        (b'{"choices": []}', "empty"),
        (b'{"choices": [{"message": {"role": "assistant", "content": ""}}]}', "empty"),
        (b"[" * 200_000, "no chat completion"),
        (b'{"choices": [' + b" " * (9 * 2**20) + b"]}", "larger than 8 MiB"),
        (b'{"error": {"message": "no room"}}', "the answer was an error: no room"),
        (b'{"choices": [{"finish_reason": "content_filter", "message": {}}]}', "reason content_filter"),
    ],
    ids=["no JSON", "other shape", "no choice", "no content", "nested deep", "too large", "error", "filter"],
)
def test_broken_and_empty_answers_are_asked_for_again_then_named(body: bytes, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        ask(lambda *_: Reply(body=body))


def test_a_broken_answer_is_survived_when_the_next_is_sound() -> None:
    def answer(_: dict[str, Any], number: int) -> Reply:
        return Reply(body=b"{") if number == 0 else completion({"content": "sound"})

    assert ask(answer) == ("sound", 2)


@contextmanager
def dripping(first: bytes) -> Iterator[str]:
    """The base URL of a server that says `first`, then a blank every tenth of a second, and never ends."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(first)
            while not ended.wait(0.1):
                connection.sendall(b" ")

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        ended.set()


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n", b""])
def test_the_time_out_is_wall_time_even_where_bytes_keep_dripping_in(first: bytes) -> None:
    with dripping(first) as base_url:
        began = time.monotonic()
        with pytest.raises(ModelError, match=r"no answer within 0\.5 s|broke off|Connection error"):
            OpenAIChat(endpoint(base_url, max_retries=20), "test-model", seed=3).complete(
                HELLO, timeout_s=0.5
            )
        assert time.monotonic() - began < 3


def test_waiting_to_ask_again_ends_at_the_time_out_too() -> None:
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"HTTP 429; it asks for a wait of 60 s"):
        ask(lambda *_: Reply(429, b"{}", headers={"Retry-After": "60"}), timeout_s=0.5)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"prompt_tokens": -5, "completion_tokens": 3}, (0, 3)),
        ({"prompt_tokens": 1e30, "completion_tokens": 10**40}, (10**12, 10**12)),
        ({"prompt_tokens": 10**400, "completion_tokens": True}, (10**12, 1)),
        ({"prompt_tokens": float("nan"), "completion_tokens": "many"}, (0, 0)),
        (["no", "object"], (0, 0)),
    ],
)
def test_senseless_token_counts_do_not_spoil_the_answer(counts: object, expected: tuple[int, int]) -> None:
    body = json.loads(completion({"content": "hi"}).body) | {"usage": counts}
    with chat_server(lambda *_: Reply(body=json.dumps(body).encode())) as server:
        answer = OpenAIChat(endpoint(server.base_url), "test-model", seed=3).complete(HELLO)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == expected


def test_half_a_character_in_an_answer_is_replaced_so_that_it_can_be_written() -> None:
    half = "a\ud800b"
    calls = [{"id": half, "function": {"name": half, "arguments": a}} for a in (half, {half: half})]
    message = {"content": half, "reasoning": half, "tool_calls": calls}
    with chat_server(lambda *_: completion(message, finish_reason=half)) as server:
        answer = OpenAIChat(endpoint(server.base_url), "test-model", seed=3).complete(HELLO)
    assert json.loads(answer.model_dump_json())["content"] == "a\ufffdb"
    assert answer.tool_calls[1].arguments == '{"a\ufffdb": "a\ufffdb"}'


def test_every_answer_that_came_is_paid_for_also_when_none_was_usable() -> None:
    def answer(_: dict[str, Any], number: int) -> Reply:
        return completion({"content": "" if number < 2 else "at last"})

    with chat_server(answer) as server:
        usage = OpenAIChat(endpoint(server.base_url), "test-model", seed=3).complete(HELLO).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.n_calls) == (33, 21, 3)
    with chat_server(lambda *_: completion({"content": ""})) as server, pytest.raises(ModelError) as caught:
        OpenAIChat(endpoint(server.base_url), "test-model", seed=3).complete(HELLO)
    assert (caught.value.usage.prompt_tokens, caught.value.usage.n_calls) == (33, 3)


def test_an_endpoint_without_json_schema_output_is_asked_without_it() -> None:
    def answer(request: dict[str, Any], _: int) -> Reply:
        if "response_format" in request:
            return Reply(400, b'{"error": {"message": "response_format is not supported"}}')
        return user_says("do it")

    with chat_server(answer) as server:
        model = OpenAIChat(endpoint(server.base_url), "test-model", seed=3)
        first = model.complete(HELLO, response_schema=REPLY_SCHEMA)
        model.complete(HELLO, response_schema=REPLY_SCHEMA)
    assert json.loads(first.content)["query"] == "do it"
    assert ["response_format" in r for r in server.requests] == [True, False, False]


def test_the_key_goes_to_the_endpoint_and_into_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")

    def answer(*_: object) -> Reply:
        return Reply(401, b'{"error": {"message": "bad key sk-very-secret"}}')

    with chat_server(answer) as server:
        model = OpenAIChat(endpoint(server.base_url), "test-model", seed=3)
        with pytest.raises(ModelError) as caught:
            model.complete(HELLO)
    assert server.authorizations[0] == "Bearer sk-very-secret"
    assert "sk-very-secret" not in str(caught.value)
    assert "sk-very-secret" not in model.info.model_dump_json()


def test_a_remote_endpoint_without_a_key_is_refused_with_the_mend() -> None:
    with pytest.raises(InputError, match="set the environment variable OPENAI_API_KEY"):
        OpenAIChat(EndpointSettings(), "gpt", seed=1)


@pytest.mark.parametrize("key", ["sk-schlüssel", "sk-1\n", "two words"])
def test_a_key_that_no_header_can_carry_is_refused_unsaid(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError, match="the key in OPENAI_API_KEY holds blanks or characters") as caught:
        OpenAIChat(EndpointSettings(), "gpt", seed=1)
    assert key not in str(caught.value)


def test_the_placeholder_of_a_local_endpoint_is_not_masked_in_messages() -> None:
    with pytest.raises(ModelError, match="none of it fits"):
        ask(lambda *_: Reply(400, b'{"error": {"message": "none of it fits"}}'))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:99999/v1",
        "http://[bad",
        "http://1.2.3.999/v1",
        "http://a..b/v1",
        "http:///v1",
        "ftp://a.example/v1",
        "https://me:secret@a.example/v1",
        "https://a.example/v1\n",
        "https://é.example/v1",
        "a.example",
    ],
)
def test_an_address_that_is_none_is_refused_with_the_mend(url: str) -> None:
    with pytest.raises(ValidationError, match=r"write it like https://api\.openai\.com/v1"):
        EndpointSettings(base_url=url)


@pytest.mark.parametrize("url", ["http://[::1]:8000/v1", "http://gpu_1.local/v1", "https://10.0.0.7"])
def test_names_and_numbers_are_addresses(url: str) -> None:
    assert EndpointSettings(base_url=url).base_url == url


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "_API_KEY", "A-B_API_KEY"])
def test_a_project_can_name_only_api_keys_to_be_sent(name: str) -> None:
    with pytest.raises(ValidationError, match="ends in _API_KEY"):
        EndpointSettings(api_key_env=name)


def test_usage_and_cost_are_counted_from_the_answer() -> None:
    with chat_server(lambda *_: completion({"content": "hi"})) as server:
        priced = endpoint(
            server.base_url, usd_per_million_prompt_tokens=1.0, usd_per_million_completion_tokens=2.0
        )
        usage = OpenAIChat(priced, "test-model", seed=3).complete(HELLO).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (11, 7)
    assert usage.cost_usd == pytest.approx((11 * 1.0 + 7 * 2.0) / 1e6)


@pytest.fixture(scope="module")
def backend() -> Backend:
    chosen = build.sandbox("bubblewrap")
    chosen.prove()
    return chosen


def roll(answer: Answerer, backend: Backend, limits: Limits | None = None) -> Trajectory:
    """One intent played with both models behind the server."""
    limits = limits or Limits(model_timeout_s=10)
    recorded: list[Trajectory] = []
    with chat_server(answer) as server, closing(backend.open()) as workspace:
        settings = endpoint(server.base_url, max_retries=1)
        user = UserSimulator(OpenAIChat(settings, "u", seed=1), limits)
        agent = Agent(OpenAIChat(settings, "a", seed=1), limits, lambda data, total: keep(data, total))
        start = make_trajectory(
            intent=make_intent(), provenance=make_provenance(), turns=(), stop_reason=None, outcome=None
        )
        ended = play(start, user, agent, workspace, limits=limits, record=recorded.append)
    assert recorded[-1] == ended
    return ended


def keep(data: bytes, total: int) -> BlobRef | None:
    return BlobRef(sha256="0" * 64, size_bytes=len(data), total_bytes=total) if data else None


def well_behaved(request: dict[str, Any], _: int) -> Reply:
    """A user with one wish, and an agent that writes a file, fails once, and reads it back."""
    messages = request["messages"]
    if not is_agent(request):
        said = sum(m["role"] == "assistant" for m in messages)
        return (
            user_says("", completed=True, is_success=True)
            if said
            else user_says("Keep the figure 42 in a.txt.")
        )
    n_observed = sum(m["role"] == "tool" for m in messages)
    calls = [
        ("write", '{"path": "a.txt", "content": "42\\n"}'),
        ("exec", '{"command": "cat b.txt"}'),
        ("exec", '{"command": "cat a.txt"}'),
    ]
    if n_observed < len(calls):
        name, arguments = calls[n_observed]
        return tool_call(name, arguments, call_id=f"call_{n_observed}")
    return completion({"content": "42 stands in a.txt.", "reasoning_content": "checked"})


@pytest.mark.sandbox
def test_the_whole_loop_runs_over_http_with_tool_calls_really_executed(backend: Backend) -> None:
    ended = roll(well_behaved, backend)
    calls = list(ended.tool_calls())
    assert ended.stop_reason is StopReason.USER_DONE
    assert ended.outcome is not None
    assert ended.outcome.is_success
    assert [c.failed for c in calls] == [False, True, False]
    assert calls[1].ledger.exit_code == 1
    assert calls[2].observation.strip() == "42"
    assert ended.turns[0].steps[-1].reasoning == "checked"
    assert ended.usage.prompt_tokens > 0


@pytest.mark.sandbox
def test_the_users_requests_hold_evidence_and_its_own_words_as_assistant(backend: Backend) -> None:
    seen: list[dict[str, Any]] = []

    def answer(request: dict[str, Any], number: int) -> Reply:
        if not is_agent(request):
            seen.append(request)
        return well_behaved(request, number)

    roll(answer, backend)
    last = seen[1]["messages"]
    assert [m["role"] for m in last] == ["system", "user", "assistant", "user"]
    assert last[2]["content"] == "Keep the figure 42 in a.txt."
    assert '"exit_code": 1' in last[3]["content"]
    assert "No such file" in last[3]["content"]
    assert "tool_calls" not in json.dumps(last)
    assert "checked" not in last[3]["content"].split("<evidence>")[1]


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("arguments", "name"), [("{broken", "exec"), ("[]", "exec"), ("{}", "exec"), ('{"x": 1}', "fly")]
)
def test_a_tool_call_that_makes_no_sense_is_answered_and_the_agent_goes_on(
    backend: Backend, arguments: str, name: str
) -> None:
    def answer(request: dict[str, Any], number: int) -> Reply:
        observed = sum(m["role"] == "tool" for m in request["messages"])
        if is_agent(request) and not observed:
            return tool_call(name, arguments)
        return completion({"content": "that failed"}) if is_agent(request) else well_behaved(request, number)

    ended = roll(answer, backend)
    (call,) = ended.tool_calls()
    assert call.failed
    assert call.arguments == arguments
    assert ended.stop_reason is StopReason.USER_DONE


@pytest.mark.sandbox
def test_two_calls_with_one_id_are_told_apart(backend: Backend) -> None:
    function = {"name": "exec", "arguments": '{"command": "true"}'}
    twins = [{"id": "same", "type": "function", "function": function}] * 2

    def answer(request: dict[str, Any], number: int) -> Reply:
        if not is_agent(request):
            return well_behaved(request, number)
        done = any(m["role"] == "tool" for m in request["messages"])
        return completion({"content": "both ran"} if done else {"content": "", "tool_calls": twins})

    ids = [c.id for c in roll(answer, backend).tool_calls()]
    assert len(ids) == len(set(ids)) == 2


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("body", "delay_s"), [(b'{"error": {}}', 0.0), (b"{", 0.0), (b'{"choices": []}', 0.0), (b"", 5.0)]
)
def test_an_agent_endpoint_that_fails_for_good_is_the_trajectorys_ending(
    backend: Backend, body: bytes, delay_s: float
) -> None:
    def answer(request: dict[str, Any], number: int) -> Reply:
        if not is_agent(request):
            return well_behaved(request, number)
        return Reply(500 if b"error" in body else 200, body, delay_s)

    ended = roll(answer, backend, Limits(model_timeout_s=1))
    assert ended.stop_reason is StopReason.AGENT_FAILED
    assert ended.failure_cause
    assert len(ended.turns) == 1
    assert ended.turns[0].answer is None


@pytest.mark.sandbox
def test_a_user_model_that_never_gives_json_ends_the_rollout_as_its_failure(backend: Backend) -> None:
    ended = roll(lambda *_: completion({"content": "Sure, happy to help!"}), backend)
    assert ended.stop_reason is StopReason.USER_FAILED
    assert ended.failure_cause


@pytest.mark.sandbox
def test_a_drifting_user_is_asked_again_and_both_attempts_are_kept(backend: Backend) -> None:
    def answer(request: dict[str, Any], number: int) -> Reply:
        retried = "was not sent" in request["messages"][-1]["content"]
        if not is_agent(request) and not retried and len(request["messages"]) == 2:
            return user_says("I'd be happy to help you with that! Shall I start?")
        return well_behaved({**request, "messages": request["messages"][: 2 if retried else None]}, number)

    first = roll(answer, backend).turns[0].utterance
    assert [a.passed for a in first.attempts] == [False, True]
    assert first.text == "Keep the figure 42 in a.txt."


@pytest.mark.sandbox
def test_an_agent_that_never_answers_ends_at_the_step_limit(backend: Backend) -> None:
    def answer(request: dict[str, Any], number: int) -> Reply:
        if is_agent(request):
            return tool_call("exec", '{"command": "true"}', call_id=f"call_{number}")
        return well_behaved(request, number)

    ended = roll(answer, backend, Limits(max_steps_per_turn=3, model_timeout_s=10))
    assert ended.stop_reason is StopReason.STEP_LIMIT
    assert len(list(ended.tool_calls())) == 3
