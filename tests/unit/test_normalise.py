"""The rules of what may differ: each replaces what its side could have had, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.execute.normalise import RULES, Side, normalised
from engine.execute.patch import Texts, patched
from engine.execute.workspaces.runner.changes import Seen, unified
from engine.schema.sandbox import ChangeKind, FileChange

NOON = datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)
EPOCH = int(NOON.timestamp())


def side(took_ms: float = 400.0) -> Side:
    return Side(start=NOON, end=NOON + timedelta(seconds=2), duration_ms=took_ms)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at 2026-03-02T12:00:06Z", "at <clock>Z"),
        ("2026-03-02 12:00:06,123 INFO", "<clock> INFO"),
        ("Mon Mar  2 12:00:06 UTC 2026", "Mon <clock>"),
        ("Mon, 02 Mar 2026 12:00:06 +0000", "Mon, <clock> +0000"),
        ("[02/Mar/2026:12:00:06 +0000]", "[<clock> +0000]"),
        ("-rw-r--r-- 1 user user 0 Mar  2 12:00 a", "-rw-r--r-- 1 user user 0 <clock> a"),
        ("backup-20260302-120006.tar", "backup-<clock>.tar"),
        ("12:00:06 started", "<clock> started"),
        ("on 2026-03-02.", "on <clock>."),
        (f"{EPOCH} {EPOCH}000 {EPOCH}.25", "<clock> <clock> <clock>"),
        ("took 0.31 s, 12.5ms", "took <duration>s, <duration>ms"),
        ("real\t0m0.310s", "real\t<duration>s"),
        ("pid 41 and pid 42 and pid 41", "pid <process 1> and pid <process 2> and pid <process 1>"),
        ("/tmp/tmpab12_x9z /tmp/tmp.AbCdEfGh12", "/tmp/<temporary name 1> /tmp/<temporary name 2>"),
        ("<object object at 0x7f0949558190>", "<object object at <address 1>>"),
        ("127.0.0.1:40123", "127.0.0.1:<port 1>"),
    ],
)
def test_what_this_side_could_have_had_is_replaced(text: str, expected: str) -> None:
    assert normalised(text, side()).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "Mar  2 12:07 a",
        "2026-03-03",
        "20260301-120006",
        "12:01:00",
        "1772452000",
        "99999999999999999999",
        "took 3.2 s",
        "real 1m0.1s",
        "waits 5 s",
        "version 0.31",
        "3.14 metres",
        "localhost:8000",
        "0x1f",
        "ab12cd34ef",
        "/tmp/output",
        "2026-99-99 99:99:99",
    ],
)
def test_what_this_side_could_not_have_had_stays(text: str) -> None:
    assert normalised(text, side()).text == text


@pytest.mark.parametrize("text", ["2026-03-02T12:00:16Z", "2026-03-02T13:00:06Z", "2025-03-02T12:00:06Z"])
def test_a_moment_with_one_wrong_part_is_not_taken_for_the_right_one(text: str) -> None:
    assert normalised(text, side()).text != normalised("2026-03-02T12:00:06Z", side()).text


def test_a_commit_is_one_that_the_side_has_made_short_or_long() -> None:
    one = side()
    made = "0123456789" * 4
    one.commits.add(made)
    assert normalised(f"{made} {made[:7]} {'f' * 40}", one).text == f"<commit 1> <commit 1> {'f' * 40}"


def test_every_rule_says_why() -> None:
    assert all(rule.why and rule.name for rule in RULES)


@given(st.text(max_size=200) | st.lists(st.sampled_from("0123456789:-T. /abcdefxMar pid\n")).map("".join))
def test_any_text_can_be_normalised(text: str) -> None:
    normalised(text, side())


LINES = st.lists(
    st.sampled_from(("a\n", "b\n", "\n", "-c\n", "@@ -1 +1 @@\n", "\r", "x\x0cy", "+")), max_size=12
)


@given(LINES.map("".join), LINES.map("".join))
def test_a_ledgers_diff_leads_from_the_one_text_to_the_other(before: str, after: str) -> None:
    old, new = (Seen((), 0, len(text), None, text) for text in (before, after))
    diff = unified(b"a.txt", old, new)
    if diff is None:
        assert before == after
    else:
        assert patched(before, diff) == after


def test_a_diff_that_does_not_fit_its_text_is_refused() -> None:
    assert patched("a\nb\n", "--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n a\n-c\n") is None
    change = FileChange(
        path="x", kind=ChangeKind.CREATED, size_bytes=1, sha256="0" * 64, diff="@@ -0,0 +1 @@\n+a\n"
    )
    assert not Texts().apply(change)
