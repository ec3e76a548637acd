"""The four principles on single messages: drift is found, and what a person says of their world passes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.ports import Progress
from engine.schema.taxonomy import ExperienceLevel
from engine.schema.trajectory import Trajectory
from engine.simulate.checks.text import parts
from engine.simulate.drift import check_utterance
from tests.builders import make_call, make_change, make_intent, make_persona, make_trajectory, make_turn

ANSWER = (
    "I merged the two site lists into depot/sites.csv and removed 3 duplicates. depot/merge.py reads both "
    "files and writes 14 rows, sorted by name. The check ended with exit code 0."
)
QUESTION = "The export is prepared. Which separator do you want in it: semicolon or comma?"
PLAIN = make_intent(persona=make_persona(communication_style="plain"))


def after(answer: str | None = ANSWER, **call: object) -> Trajectory:
    """A trajectory whose one turn ended with this answer."""
    made = make_call(
        "python3 depot/merge.py",
        observation="14 rows written\nsorted by name\n",
        changes=[make_change("depot/sites.csv")],
    )
    bad = (
        [make_call("sh build.sh", call_id="call_2", exit_code=2, stderr_tail="cc: not found")] if call else []
    )
    turn = make_turn(made, *bad, text="Merge the two lists of sites, please.", answer=answer)
    return make_trajectory("t-1", turn, intent=PLAIN)


def failed(text: str, trajectory: Trajectory | None = None) -> set[str]:
    return {v.check for v in check_utterance(text, trajectory or after()) if not v.passed}


@pytest.mark.parametrize(
    "text",
    [
        "Sure, I'll take a look at the merge script and get back to you shortly.",
        "I went through the logs and it turns out the import was failing because of a stray comma.",
        "Your list has been merged. Is there anything you'd like me to tweak?",
        "I’ve just pushed the change to the main branch.",
        "Next up, I'm going to sort the rows and drop the blank ones.",
        "The script now handles empty rows gracefully.",
        "Let me verify the row count before moving on.",
        "As a language model I can't open files.",
        "According to the evidence, exit_code was 0.",
        "As the user, I would now ask for a double check.",
        "Happy to adjust the sorting if needed.",
        "The requested file is available at depot/sites.csv.",
        "Created depot/sites.csv, removed 3 duplicates, sorted by name.",
        "Before I continue, could you clarify what you mean by a duplicate?",
        "Just to confirm, you want the list sorted by name, correct?",
        "I misread the column order, so I rewrote the parser.",
        "## Result\n- **Rows:** 14",
        "Hello Ada, please tell me the names of the sites so that I can check them for you.",
        "I've double-checked depot/sites.csv and confirmed it has 14 rows.",
        "Shall I also delete the old lists?",
        "You can now open depot/sites.csv in a spreadsheet.",
    ],
)
def test_one_who_speaks_as_the_agent_is_found(text: str) -> None:
    assert "perspective_lock" in failed(text)


@pytest.mark.parametrize(
    "text",
    [
        "Good, 14 rows it is. Now the export, please, with a semicolon.",
        "I counted them on paper and got 15, so one is missing. Which one did you drop?",
        "I've written to Amina, she'll bring the third list on Friday.",
        "Let me know when it is done.",
        "I'll sign it on Friday.",
        "I checked the paper: 14 crates.",
        "I have two more lists here: one from the north, one from the south. Shall I paste them?",
        "Let me think about that. For now leave it as it is.",
        "I made the lists by hand last spring, so there may be typos in them.",
        "I have updated my copy of the price list, the new value is 31.",
        "I fixed the date with Amina: it is the 4th of May.",
        "I want to run this every Monday. Can you write the cron line?",
        "Is there anything I should know before I hand it over?",
        "I'll check it against my own list tonight and come back to you.",
        "How do I start the script on my laptop?",
        "You said 3 duplicates were removed; please list them for me.",
        'It says "depot/merge.py: No such file or directory", please fix that.',
        "Here are the rows from the south:\n\nsite,crates\nAlmere,12\nGouda,4",
    ],
)
def test_what_a_person_says_of_their_own_world_passes_every_check(text: str) -> None:
    assert failed(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "Semicolon or comma, which separator do you want?",
        "Do you want a semicolon or a comma as separator in the export?",
        "Please tell me whether you want a semicolon or a comma.",
        "What separator should I use for the export?",
    ],
)
def test_the_agents_question_handed_back_is_drift(text: str) -> None:
    assert "handed_back" in failed(text, after(QUESTION))


@pytest.mark.parametrize(
    "text",
    [
        "Semicolon.",
        "Could you use a semicolon?",
        "Semicolon or comma? Comma, please.",
        "I don't mind, you choose.",
        "Which one opens better in Excel?",
    ],
)
def test_an_answer_or_a_question_of_ones_own_is_not_handed_back(text: str) -> None:
    assert failed(text, after(QUESTION)) == set()


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "exec"}</tool_call>',
        'exec(command="ls -la depot")',
        "-rw-r--r-- 1 user user 412 Mar  2 12:00 sites.csv",
        "user@box:~/depot$ python3 merge.py",
        '{"calls": [{"exit_code": 0}]}',
        "Look:\n14 rows written\nsorted by name",
        'Traceback (most recent call last):\n  File "a.py", line 3, in <module>',
    ],
)
def test_what_only_the_machine_writes_is_a_leak(text: str) -> None:
    assert "no_tool_leak" in failed(text)


@pytest.mark.parametrize(
    "text",
    [
        "Both lists of sites are now merged in depot/sites.csv, 3 duplicates were removed, and the 14 rows "
        "are sorted by name.",
        ANSWER,
        "You merged the two site lists into depot/sites.csv and you removed 3 duplicates.",
    ],
)
def test_the_answer_said_again_is_an_echo_also_reworded(text: str) -> None:
    assert "no_echo" in failed(text)


class Alike:
    """An embedder to which all texts mean the same."""

    name = "alike"
    dimension = 2

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        return np.array([[1.0, 0.0]] * len(texts), dtype=np.float32)


def test_an_embedder_lets_the_echo_check_compare_meanings() -> None:
    text = "There is one clean register of places now, and what stood in it twice went out."
    assert "no_echo" not in failed(text)
    found = {v.check for v in check_utterance(text, after(), Alike()) if not v.passed}
    assert "no_echo" in found


@pytest.mark.parametrize(
    ("style", "level", "text"),
    [
        (
            "terse",
            ExperienceLevel.SENIOR,
            "I would be so grateful, if you would be so kind. " + "More words. " * 30,
        ),
        ("formal and exact", ExperienceLevel.EXECUTIVE, "lol gonna need that list, thx"),
        ("plain", ExperienceLevel.INTERN, "Let's be leveraging synergies in the list of sites, please."),
        ("plain", ExperienceLevel.SENIOR, "I need the **sites** and the **crates**."),
        ("chatty", ExperienceLevel.INTERN, "I hereby request that the aforementioned list be sorted."),
    ],
)
def test_a_gross_breach_of_the_register_is_found(style: str, level: ExperienceLevel, text: str) -> None:
    intent = make_intent(persona=make_persona(communication_style=style, experience_level=level))
    assert "register" in failed(text, make_trajectory(intent=intent))


def test_one_message_that_lists_what_the_intent_wants_is_not_incremental() -> None:
    whole = (
        "I want the crates counted from both lists. The photographs of the ramps need new names. "
        "A letter to the landlord about the broken gate must be drafted. Last, pack the invoices of March."
    )
    start = make_trajectory(intent=make_intent(whole)).model_copy(update={"turns": ()})
    asked = "Count the crates, rename the photographs, draft the letter to the landlord, pack the invoices."
    assert "incremental" in failed(asked, start)
    assert failed("Please count the crates from both lists first.", start) == set()


@pytest.mark.parametrize("text", ["Great, thanks. Now the export, please.", "Next: rename the photographs."])
def test_a_failure_that_is_passed_over_is_no_response(text: str) -> None:
    assert failed(text, after(bad=True)) == {"responsive"}
    assert failed(text, after(None)) == {"responsive"}


@pytest.mark.parametrize(
    "text",
    [
        "That did not work, exit code 2. Try another way.",
        "cc is not there? Then leave it.",
        "Never mind, skip the build and go on with the export.",
        "build.sh stopped, please look at it.",
    ],
)
def test_a_reaction_to_the_failure_is_a_response(text: str) -> None:
    assert failed(text, after(bad=True)) == set()


def test_a_question_that_is_passed_over_is_no_response() -> None:
    on = "Please rename all photographs of the ramps by their date and sort them into folders."
    assert "responsive" in failed(on, after(QUESTION))


def test_what_is_pasted_is_told_from_what_is_said() -> None:
    text = "Please sort these:\n\nsite,crates\nAlmere,12\n\nThe second column is what counts."
    assert parts(text).own == "Please sort these:\nThe second column is what counts."
    assert parts(text).pasted == "site,crates\nAlmere,12"


@pytest.mark.parametrize(
    "piece",
    ["I will ", "a, ", "? ", "\n- x", '{"a": ', "x_", "**", "let me know if you ", "- ", "\n", "a-", " \n"],
)
def test_a_text_of_ten_megabytes_is_read_at_once(piece: str) -> None:
    text = piece * (10_000_000 // len(piece))
    assert "length" in failed(text)
