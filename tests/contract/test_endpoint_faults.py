"""A real run against an endpoint where each rollout meets a fault: none hangs, none harms the others."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from typing import Any

import pytest
import tomli_w

from engine.generation import generate_intents
from engine.runs import RunRequest, start_run, wait_for
from engine.schema.project import EndpointSettings
from engine.schema.run import Limits, RunState
from engine.schema.trajectory import StopReason, Trajectory
from engine.store import Project
from engine.store.files import write_text
from engine.store.requests import scan_requests
from engine.store.runs import finished_ids, scan_trajectories
from tests.chat_server import Reply, chat_server, completion, is_agent, tool_call, user_says

SURVIVED, FAILED = StopReason.USER_DONE, StopReason.AGENT_FAILED
FAULTS = {
    "none": SURVIVED,
    "three 429": SURVIVED,
    "hangs": FAILED,
    "cut body": FAILED,
    "no JSON": FAILED,
    "broken arguments": SURVIVED,
    "unknown tool": SURVIVED,
    "one id twice": SURVIVED,
    "empty": FAILED,
    "10 MB": FAILED,
    "7 MB": SURVIVED,
    "refusal": SURVIVED,
    "half a character": FAILED,
    "an error page in no character set": FAILED,
    "a count of 400 digits": SURVIVED,
}
TIMEOUT_S = 12.0
DONE = completion({"content": "42 stands in a.txt."})
LARGE, BARELY = (completion({"content": "words " * (n * 2**20 // 6)}) for n in (10, 7))


class Faulty:
    """Plays all users well and gives each rollout's agent a fault of its own, as they come.

    The user's first words name the rollout, so that the agent's requests can be told apart.
    """

    def __init__(self) -> None:
        self.fault_of: dict[str, str] = {}
        self.n_asked: Counter[str] = Counter()
        self._mutex = threading.Lock()

    def __call__(self, request: dict[str, Any], _: int) -> Reply:
        messages = request["messages"]
        if not is_agent(request):
            rollout = hashlib.sha256(messages[0]["content"].encode()).hexdigest()[:12]
            said = any(m["role"] == "assistant" for m in messages)
            if said:
                return user_says("", completed=True, is_success=True)
            return user_says(f"Keep the figure 42 in a.txt. (sheet {rollout})")
        rollout = messages[1]["content"]
        with self._mutex:
            if rollout not in self.fault_of:
                self.fault_of[rollout] = list(FAULTS)[len(self.fault_of)]
            fault = self.fault_of[rollout]
            self.n_asked[rollout] += 1
        observed = any(m["role"] == "tool" for m in messages)
        return DONE if observed else self._reply(fault, self.n_asked[rollout])

    def _reply(self, fault: str, n_asked: int) -> Reply:
        sound = tool_call("write", '{"path": "a.txt", "content": "42\\n"}')
        twins = {
            "tool_calls": [{"id": "same", "function": {"name": "exec", "arguments": '{"command": "true"}'}}]
            * 2
        }
        return {
            "none": sound,
            "three 429": sound if n_asked > 3 else Reply(429, b"{}", headers={"Retry-After": "0"}),
            "hangs": Reply(delay_s=3 * TIMEOUT_S),
            "cut body": Reply(body=sound.body[:60], n_missing=500),
            "no JSON": Reply(body=b"<html>"),
            "broken arguments": tool_call("exec", '{"command": "ls'),
            "unknown tool": tool_call("fly", "{}"),
            "one id twice": completion(twins),
            "empty": completion({"content": ""}),
            "10 MB": LARGE,
            "7 MB": BARELY,
            "refusal": completion({"content": None, "refusal": "I cannot help with that."}),
            "half a character": Reply(body=b'{"error": {"message": "bad \\ud800"}}'),
            "an error page in no character set": Reply(
                401, b"<h1>no entry</h1>", headers={"Content-Type": "text/html; charset=base64"}
            ),
            "a count of 400 digits": Reply(body=sound.body.replace(b"11", b"1" * 400)),
        }[fault]


@pytest.mark.sandbox
def test_every_fault_of_an_endpoint_is_survived_or_named_and_the_other_rollouts_go_on(
    project: Project,
) -> None:
    generate_intents(project, len(FAULTS), seed=5)
    faulty = Faulty()
    with chat_server(faulty) as server:
        endpoint = EndpointSettings(base_url=server.base_url, max_retries=3)
        settings = project.settings.model_copy(update={"endpoint": endpoint})
        write_text(project.paths.settings, tomli_w.dumps(settings.model_dump(exclude_none=True)))
        project = Project.open(project.root)
        limits = Limits(model_timeout_s=TIMEOUT_S, rollout_timeout_s=120)
        began = time.monotonic()
        request = RunRequest(user="openai:u", agent="openai:a", concurrency=6, limits=limits)
        run_id = start_run(project, request)
        ended = wait_for(project, run_id)
    assert ended.state is RunState.FINISHED
    run = project.paths.run(run_id)
    played = {
        faulty.fault_of[t.turns[0].utterance.text]: t for t in scan_trajectories(run, finished_ids(run))
    }
    assert {fault: t.stop_reason for fault, t in played.items()} == FAULTS
    assert all(t.duration_s < 120 for t in played.values()), time.monotonic() - began
    check_causes(played)
    log = list(scan_requests(run.requests))
    assert {r.trajectory_id for r in log} == {t.trajectory_id for t in played.values()}
    limited = [
        r.status for r in log if r.trajectory_id == played["three 429"].trajectory_id and r.role == "agent"
    ]
    assert limited == [429, 429, 429, 200, 200]


def check_causes(played: dict[str, Trajectory]) -> None:
    """Each failure says its cause, and what was survived is in the record as it was."""
    causes = {fault: t.failure_cause or "" for fault, t in played.items()}
    assert f"no answer within {TIMEOUT_S:g} s" in causes["hangs"]
    assert "broke off" in causes["cut body"]
    assert "no chat completion" in causes["no JSON"]
    assert "empty" in causes["empty"]
    assert "larger than 8 MiB" in causes["10 MB"]
    assert "bad \ufffd" in causes["half a character"]
    assert "HTTP 401: <h1>no entry</h1>" in causes["an error page in no character set"]
    calls = {fault: list(t.tool_calls()) for fault, t in played.items()}
    assert calls["broken arguments"][0].arguments == '{"command": "ls'
    assert calls["broken arguments"][0].failed
    assert calls["unknown tool"][0].failed
    assert len({c.id for c in calls["one id twice"]}) == 2
    assert played["refusal"].turns[0].answer == "I cannot help with that."
    assert len(played["7 MB"].turns[0].answer or "") > 7 * 10**6
    assert json.loads(calls["none"][0].arguments)["path"] == "a.txt"
