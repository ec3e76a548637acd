"""A small project with everything that a view must be able to show, hostile text included."""

from __future__ import annotations

from pathlib import Path

from engine.schema.intent import Intent
from engine.schema.run import RunState
from engine.schema.sandbox import ChangeKind, FileChange, LeftProcess, SessionState
from engine.schema.trajectory import (
    Attempt,
    Claim,
    ClaimKind,
    ClaimStanding,
    Evidence,
    EvidenceCall,
    Step,
    StopReason,
    Trajectory,
    Turn,
    Utterance,
    Verdict,
)
from engine.store.project import Project
from tests.builders import make_call, make_intent, make_trajectory, save_intents, save_run, save_stream

HOSTILE = (
    "![p](https://evil.example/md.png) <img src=https://evil.example/i.png onerror=alert(1)> "
    "<script>alert(1)</script> :red[red] $x^2$ [link](https://evil.example) \x1b[31mansi\x1b[0m \u202egnol"
)
"""Text that would send a request, run a script or change its looks if anything rendered it."""

MAIN = "t-depot-0001"
_OPENING = "Morning. Start with the roster file for the night shift, please: depot, night and crew size."
_SECOND = "Good, I see roster.csv and that check.py passed. Add the southern depot and tell me the crew."
_WRONG = Verdict(check="state_claims", passed=False, detail="'check.py passed': no call ran check.py")
_PASSED = Verdict(check="perspective_lock", passed=True)
_CLAIMS = (
    Claim(
        kind=ClaimKind.FILE_NAME, text="roster.csv", standing=ClaimStanding.EVIDENCED, source="made at turn 1"
    ),
    Claim(
        kind=ClaimKind.STATE,
        text="check.py passed",
        standing=ClaimStanding.CONTRADICTED,
        source="no call ran check.py",
    ),
)
DIFF = "--- a/roster.csv\n+++ b/roster.csv\n@@ -1,2 +1,3 @@\n depot,night,crew\n-north,1,4\n+south,1,3\n"


def make_sample(root: Path) -> Project:
    """A project with the starter taxonomy, intents, a finished run, and one with a rollout in progress."""
    project = Project.create(root)
    intents = [_intent(n) for n in range(30)]
    save_intents(project, *intents)
    save_run(project, _main(project), *(_short(project, n, intents[n]) for n in range(1, 13)))
    save_run(
        project,
        make_trajectory("t-live-0001", run_id="run-2", stop_reason=None, outcome=None),
        run_id="run-2",
        state=RunState.RUNNING,
    )
    return project


def _intent(number: int) -> Intent:
    domains = [
        ("file-io", "code-runtime"),
        ("intelligence-core", "source-chain"),
        ("automation-flow", "file-io"),
    ]
    return make_intent(
        f"Please sort out night roster number {number} of the northern depot before the shift starts.",
        domain_ids=domains[number % 3],
        complexity=("simple", "medium", "complex")[number % 3],
    )


def _main(project: Project) -> Trajectory:
    turns = (_first(project), _second(project), _third(project), _fourth())
    return make_trajectory(MAIN, *turns, intent=_intent(0))


def _first(project: Project) -> Turn:
    stdout = save_stream(
        project, "".join(f"line {n}: depot north, crew {n % 7}\n" for n in range(60)).encode()
    )
    calls = (
        make_call(
            "roster.csv",
            tool="write",
            call_id="call_1",
            observation="wrote 58 bytes to roster.csv",
            arguments={"path": "roster.csv", "content": "depot,night,crew\nnorth,1,4\n"},
            changes=[FileChange(path="roster.csv", kind=ChangeKind.CREATED, size_bytes=58, mode=0o644)],
        ),
        make_call(
            "cat roster.csv && seq 60",
            call_id="call_2",
            observation="line 0 …",
            stdout=stdout,
            duration_ms=31.0,
        ),
    )
    utterance = Utterance(
        text=_OPENING,
        reason="Opens with one small step.",
        attempts=(
            Attempt(
                text="Would you like me to create the roster for you?",
                verdicts=(
                    Verdict(
                        check="perspective_lock",
                        passed=False,
                        detail="it speaks as the agent: 'Would you like me to'",
                    ),
                    Verdict(check="state_claims", passed=True),
                ),
            ),
            Attempt(
                text=_OPENING,
                verdicts=(Verdict(check="perspective_lock", passed=True),),
            ),
        ),
    )
    steps = (
        Step(
            content="I will write the roster and look at it.",
            reasoning="The user wants three columns.",
            tool_calls=calls[:1],
        ),
        Step(tool_calls=calls[1:]),
        Step(content="The roster is in roster.csv."),
    )
    return Turn(
        index=0,
        utterance=utterance,
        steps=steps,
        answer="The roster is in roster.csv: one line a depot and night.",
    )


def _second(project: Project) -> Turn:
    stderr = save_stream(
        project, b"python3: can't open file '/workspace/check.py': [Errno 2] No such file or directory\n"
    )
    calls = (
        make_call(
            "python3 check.py roster.csv",
            call_id="call_3",
            exit_code=2,
            stderr=stderr,
            duration_ms=210.0,
            observation="python3: can't open file\n(exit code 2)",
        ),
        make_call(
            "awk -F, 'NR>1 {n+=$3} END {print n}' roster.csv",
            call_id="call_4",
            observation="8",
            stdout=save_stream(project, b"8\n"),
            duration_ms=1430.0,
            changes=[FileChange(path="roster.csv", kind=ChangeKind.MODIFIED, size_bytes=81, diff=DIFF)],
        ),
    )
    evidence = Evidence(
        calls=(
            EvidenceCall(tool="write", summary="write roster.csv", failed=False),
            EvidenceCall(tool="exec", summary="cat roster.csv && seq 60", exit_code=0, failed=False),
        ),
        created=("roster.csv",),
    )
    utterance = Utterance(
        text=_SECOND,
        evidence=evidence,
        attempts=(Attempt(text=_SECOND, verdicts=(_WRONG, _PASSED), claims=_CLAIMS),),
    )
    steps = (
        Step(tool_calls=calls[:1]),
        Step(content="The checker is missing, so I count with awk.", tool_calls=calls[1:]),
    )
    return Turn(index=1, utterance=utterance, steps=steps, answer="South is added; the total crew is 8.")


def _third(project: Project) -> Turn:
    stream = save_stream(project, HOSTILE.encode())
    call = make_call(
        f"echo {HOSTILE}",
        call_id="call_5",
        observation=HOSTILE,
        stdout=stream,
        exit_code=1,
        sessions=(SessionState(session_id="s1", command=HOSTILE, pid=7, running=True, n_bytes=12),),
        left=(LeftProcess(pid=7, command=HOSTILE),),
        n_left=1,
    )
    utterance = Utterance(
        text=HOSTILE,
        reason=HOSTILE,
        evidence=Evidence(
            running=(HOSTILE,),
            calls=(
                EvidenceCall(
                    tool="exec", summary=HOSTILE[:100], exit_code=1, failed=True, stderr_tail=HOSTILE
                ),
            ),
        ),
        attempts=(
            Attempt(
                text=HOSTILE,
                verdicts=(Verdict(check="perspective_lock", passed=False, detail=HOSTILE),),
                claims=(
                    Claim(
                        kind=ClaimKind.PATH,
                        text=HOSTILE,
                        standing=ClaimStanding.CONTRADICTED,
                        source=HOSTILE,
                    ),
                ),
            ),
        ),
    )
    step = Step(content=HOSTILE, reasoning=HOSTILE, tool_calls=(call,))
    return Turn(index=2, utterance=utterance, steps=(step,), answer=HOSTILE)


def _fourth() -> Turn:
    call = make_call(
        "sleep 100",
        call_id="call_6",
        exit_code=None,
        timed_out=True,
        duration_ms=60_000.0,
        observation="timed out",
    )
    return Turn(
        index=3,
        utterance=Utterance(text="Check it all once more."),
        steps=(Step(tool_calls=(call,)),),
        answer=None,
        failure="the agent's model gave no answer: connection refused",
    )


def _short(project: Project, number: int, intent: Intent) -> Trajectory:
    failed = number % 4 == 0
    call = make_call(
        "grep -c north roster.csv", exit_code=1 if failed else 0, observation="0" if failed else "1"
    )
    turn = Turn(
        index=0, utterance=Utterance(text=intent.utterance), steps=(Step(tool_calls=(call,)),), answer="Done."
    )
    reason = StopReason.TURN_LIMIT if number % 5 == 0 else StopReason.USER_DONE
    return make_trajectory(f"t-depot-{number + 1:04d}", turn, intent=intent, stop_reason=reason)
