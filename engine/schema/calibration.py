"""The labelled calibration set: proposed texts, what is wrong with each, and the scenes they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field, model_validator

from engine.schema.base import Count, Record, Slug
from engine.schema.checks import Meter
from engine.schema.trajectory import Trajectory


class Label(StrEnum):
    """What is true of a labelled text: clean, or the meter that should count it."""

    CLEAN = "clean"
    ROLE_DRIFT = Meter.ROLE_DRIFT.value
    STATE_HALLUCINATION = Meter.STATE_HALLUCINATION.value
    FALSE_COMPLETION = Meter.FALSE_COMPLETION.value
    REGISTER = Meter.REGISTER.value
    INCREMENTAL = Meter.INCREMENTAL.value
    RESPONSIVE = Meter.RESPONSIVE.value

    @property
    def meter(self) -> Meter | None:
        """The meter that should count the text; None for a clean one."""
        return None if self is Label.CLEAN else Meter(self.value)


class Speaker(StrEnum):
    """Whose words a labelled text is."""

    USER = "user"
    """The user simulator's next message."""
    AGENT_ANSWER = "agent_answer"
    """An answer of the agent, in place of the one that the last of the scene's turns has."""
    USER_ENDING = "user_ending"
    """The user simulator's reason for ending the conversation as completed and successful."""


class Part(StrEnum):
    """What a labelled text may be used for; what is held out shares no scene with the others."""

    TUNE = "tune"
    """Rules are written while looking at these, and the reader learns from them too."""
    TRAIN = "train"
    """The reader learns from these."""
    TEST = "test"
    """Held out: precision and recall are reported on these, and nobody looks at them before."""
    HARD = "hard"
    """Held out too: terse texts, written to get past checks."""
    SHORT = "short"
    """Held out too: a few plain words each, as people and models chat."""

    @property
    def is_held_out(self) -> bool:
        """True where it is there to measure with alone."""
        return self in (Part.TEST, Part.HARD, Part.SHORT)


class LabelledText(Record):
    """One text as it was proposed at one place of a scene, with its label."""

    id: Slug
    scene: Slug
    turn: Count
    """It comes after the first `turn` turns of the scene; 0 is the opening."""
    text: str = Field(min_length=1)
    label: Label
    way: Slug
    """How it is wrong, or what makes a clean one hard."""
    speaker: Speaker = Speaker.USER
    note: str = ""
    """What the record shows, where the text claims something else."""

    @model_validator(mode="after")
    def _speaker_fits(self) -> LabelledText:
        if self.speaker is not Speaker.USER:
            if self.turn == 0:
                raise ValueError("an answer or an ending needs a turn before it")
            if self.label not in (Label.CLEAN, Label.FALSE_COMPLETION):
                raise ValueError("an answer or an ending is clean or a false completion")
        return self


class CalibrationSet(Record):
    """The whole set: the scenes by name, and the labelled texts by part."""

    scenes: Mapping[Slug, Trajectory]
    texts: Mapping[Part, tuple[LabelledText, ...]]

    def part(self, part: Part) -> tuple[LabelledText, ...]:
        """The labelled texts of one part."""
        return self.texts[part]

    def before(self, text: LabelledText) -> Trajectory:
        """The scene as it stood when the text was proposed: its first turns alone, without an ending."""
        scene = self.scenes[text.scene]
        return scene.model_copy(update={"turns": scene.turns[: text.turn]})
