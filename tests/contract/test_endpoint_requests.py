"""How an endpoint is asked: patience, limits, the log, and the trial of an endpoint."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from click.testing import CliRunner

from engine.cli.main import cli
from engine.endpoints import EndpointReport, try_endpoint
from engine.errors import InputError, ModelError
from engine.providers.openai_call import Caller
from engine.providers.openai_chat import OpenAIChat
from engine.providers.openai_line import Line
from engine.schema.chat import ChatMessage, Role
from engine.schema.project import EndpointSettings, Price, ProjectSettings
from engine.schema.request import ModelRole, RequestRecord, SentTools
from engine.store import Project
from tests.chat_server import Answerer, Reply, chat_server, completion, refusal, tool_call

HELLO = [ChatMessage(role=Role.SYSTEM, content="s"), ChatMessage(role=Role.USER, content="a private word")]
COLOUR = completion({"content": '{"colour": "white"}'})


def logged(answer: Answerer, *, timeout_s: float = 60.0, **changes: Any) -> list[RequestRecord]:
    """What the log says of one call, whatever came of it."""
    records: list[RequestRecord] = []
    with chat_server(answer) as server:
        endpoint = EndpointSettings(base_url=server.base_url, **changes)
        caller = Caller(ModelRole.USER, "traj_1", records.append)
        try:
            OpenAIChat(endpoint, "m", seed=3, caller=caller).complete(HELLO, timeout_s=timeout_s)
        except ModelError:
            return records
    return records


def test_three_429_then_an_answer_is_an_answer_and_every_request_is_logged() -> None:
    slow = Reply(429, b'{"error": {"message": "slow down"}}', headers={"Retry-After": "0"})
    records = logged(lambda _, n: slow if n < 3 else completion({"content": "hi"}))
    assert [(r.attempt, r.status) for r in records] == [(1, 429), (2, 429), (3, 429), (4, 200)]
    assert [bool(r.error) for r in records] == [True, True, True, False]
    last = records[-1]
    assert (last.role, last.trajectory_id, last.model, last.seed) == (ModelRole.USER, "traj_1", "m", 3)
    assert (last.prompt_tokens, last.completion_tokens, last.finish_reason) == (11, 7, "stop")


def test_the_log_holds_sizes_and_hashes_but_no_words_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    (quiet,) = logged(lambda *_: completion({"content": "sk-very-secret, a private answer"}))
    text = quiet.model_dump_json()
    assert "private" not in text
    assert quiet.request_sha256
    assert quiet.answer_bytes > 100
    (told,) = logged(lambda *_: completion({"content": "sk-very-secret, a private answer"}), log_bodies=True)
    text = told.model_dump_json()
    assert "a private word" in text
    assert "a private answer" in text
    assert "sk-very-secret" not in text


def test_a_request_that_is_cut_off_by_the_calls_end_is_logged_too() -> None:
    (record,) = logged(lambda *_: Reply(delay_s=2.0), timeout_s=0.4)
    assert record.status is None
    assert "no answer" in record.error
    assert record.latency_s < 2


def test_a_request_that_hangs_is_made_again_where_the_endpoint_has_a_time_out_of_its_own() -> None:
    records = logged(
        lambda _, n: completion({"content": "hi"}) if n else Reply(delay_s=5.0), request_timeout_s=0.5
    )
    assert [r.status for r in records] == [None, 200]
    assert records[0].error == "no answer within 0.5 s"


def test_a_body_that_breaks_off_is_asked_for_again() -> None:
    whole = completion({"content": "hi"})
    records = logged(lambda _, n: whole if n else Reply(body=whole.body[:40], n_missing=100))
    assert [bool(r.error) for r in records] == [True, False]
    assert "broke off" in records[0].error


def test_what_the_server_says_of_waiting_holds_for_everybody_and_counts_against_the_call() -> None:
    def answer(_: dict[str, Any], number: int) -> Reply:
        busy = Reply(429, b"{}", headers={"Retry-After": "1"})
        return completion({"content": "hi"}) if number else busy

    with chat_server(answer) as server:
        line = Line(EndpointSettings(base_url=server.base_url))
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(OpenAIChat(line, "m", seed=1).complete, HELLO)
            while not server.at:
                time.sleep(0.01)
            time.sleep(0.3)
            OpenAIChat(line, "m", seed=2).complete(HELLO)
            first.result()
    assert all(at - server.at[0] >= 0.9 for at in server.at[1:])
    began = time.monotonic()
    patient = Reply(429, b"{}", headers={"Retry-After": "60"})
    with (
        chat_server(lambda *_: patient) as server,
        pytest.raises(ModelError, match=r"HTTP 429; it asks for a wait of 60 s, but the call has 5 s left"),
    ):
        OpenAIChat(EndpointSettings(base_url=server.base_url), "m", seed=1).complete(HELLO, timeout_s=5)
    assert time.monotonic() - began < 4


def test_a_used_up_quota_is_not_waited_for() -> None:
    spent = Reply(429, b'{"error": {"message": "quota", "code": "insufficient_quota"}}')
    assert len(logged(lambda *_: spent)) == 1


def test_no_more_requests_run_at_once_than_the_endpoint_allows() -> None:
    running, most = [0], [0]

    def answer(*_: object) -> Reply:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.15)
        running[0] -= 1
        return completion({"content": "hi"})

    with chat_server(answer) as server:
        line = Line(EndpointSettings(base_url=server.base_url, max_parallel_requests=2))
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda n: OpenAIChat(line, "m", seed=n).complete(HELLO), range(6)))
    assert most[0] == 2


def test_a_turn_that_does_not_come_in_time_is_named() -> None:
    with chat_server(lambda *_: completion({"content": "hi"})) as server:
        line = Line(EndpointSettings(base_url=server.base_url, requests_per_minute=1))
        OpenAIChat(line, "m", seed=1).complete(HELLO)
        with pytest.raises(ModelError, match=r"no answer within 0\.3 s .*its turn did not come"):
            OpenAIChat(line, "m", seed=1).complete(HELLO, timeout_s=0.3)
    assert len(server.requests) == 1


def test_cached_tokens_are_priced_as_such() -> None:
    body = json.loads(completion({"content": "hi"}).body)
    body["usage"]["prompt_tokens_details"] = {"cached_tokens": 10}
    price = Price(prompt=1e6, completion=0, cached=0)
    with chat_server(lambda *_: Reply(body=json.dumps(body).encode())) as server:
        model = OpenAIChat(EndpointSettings(base_url=server.base_url), "m", seed=1, price=price)
        assert model.complete(HELLO).usage.cost_usd == pytest.approx(1.0)


def trial(answer: Answerer, **server: Any) -> EndpointReport:
    with chat_server(answer, **server) as running:
        endpoint = EndpointSettings(base_url=running.base_url)
        settings = ProjectSettings(name="p", endpoint=endpoint, agent="openai:test-model")
        return try_endpoint(settings)


def found(report: EndpointReport) -> dict[str, bool]:
    return {check.name: check.ok for check in report.checks}


def test_a_good_endpoint_is_good_in_every_check() -> None:
    def answer(request: dict[str, Any], _: int) -> Reply:
        return tool_call("note", '{"word": "ready"}') if "tools" in request else COLOUR

    report = trial(answer)
    assert report.ok
    assert found(report) == dict.fromkeys(("key", "models", "chat", "json", "tools"), True)
    assert (report.tools, report.binds_schema, report.priced) == (SentTools.NATIVE, True, False)
    assert report.models == ("test-model",)
    assert all(c.latency_s is not None for c in report.checks if c.name != "key")


def test_a_server_without_tools_schemas_and_a_list_of_models_can_still_play() -> None:
    def answer(request: dict[str, Any], _: int) -> Reply:
        if "tools" in request or "response_format" in request:
            return refusal("this")
        called = "The tools" in request["messages"][0]["content"]
        return (
            completion({"content": '{"tool": "note", "arguments": {"word": "ready"}}'}) if called else COLOUR
        )

    report = trial(answer, models=None)
    assert report.ok
    assert found(report)["models"] is False
    assert (report.tools, report.binds_schema) == (SentTools.JSON, False)


def test_a_model_that_calls_in_words_only_is_told_the_setting() -> None:
    def answer(request: dict[str, Any], _: int) -> Reply:
        called = "The tools" in request["messages"][0]["content"]
        return (
            completion({"content": '{"tool": "note", "arguments": {"word": "ready"}}'}) if called else COLOUR
        )

    report = trial(answer)
    (tools,) = [c for c in report.checks if c.name == "tools"]
    assert (report.ok, tools.ok, tools.mend) == (False, False, 'set tools = "json" under [endpoint]')


def test_a_model_that_is_not_there_is_told_which_are() -> None:
    report = trial(lambda *_: refusal("this model", 404), models=("a", "b"))
    checks = {c.name: c for c in report.checks}
    assert checks["models"].mend == "name one that is there: a, b"
    assert "HTTP 404" in checks["chat"].detail
    assert checks["chat"].mend
    assert list(checks) == ["key", "models", "chat"]


def test_without_a_key_nothing_is_sent_and_the_key_is_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ProjectSettings(name="p", agent="openai:gpt")
    report = try_endpoint(settings)
    assert found(report) == {"key": False}
    assert "OPENAI_API_KEY" in report.checks[0].detail
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    report = trial(lambda *_: Reply(401, b'{"error": {"message": "bad key sk-very-secret"}}'))
    assert "sk-very-secret" not in report.model_dump_json()
    assert not report.ok


@pytest.mark.parametrize("provider", [None, "scripted", "openai:m@nowhere"])
def test_a_trial_needs_a_model_behind_an_endpoint(provider: str | None) -> None:
    with pytest.raises(InputError):
        try_endpoint(ProjectSettings(name="p"), provider)


def test_the_command_answers_with_the_report_and_exits_by_it(project: Project) -> None:
    def answer(request: dict[str, Any], _: int) -> Reply:
        return tool_call("note", '{"word": "ready"}') if "tools" in request else COLOUR

    with chat_server(answer) as server:
        with project.paths.settings.open("a", encoding="utf-8") as file:
            file.write(f'\n[endpoints.local]\nbase_url = "{server.base_url}"\n')
        words = ["--project", str(project.root), "--json", "endpoint", "test"]
        good = CliRunner().invoke(
            cli, [*words, "--provider", "openai:test-model@local"], standalone_mode=False
        )
    assert good.return_value == 0
    assert EndpointReport.model_validate_json(good.stdout).endpoint_name == "local"
    with pytest.raises(InputError, match="name a provider, such as openai:MODEL"):
        CliRunner().invoke(cli, words, standalone_mode=False, catch_exceptions=False)
