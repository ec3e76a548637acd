"""The labelled calibration set: what the loader refuses, and what the bundled set holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.errors import InputError, NotFoundError
from engine.schema.calibration import CalibrationSet, Label, LabelledText, Part, Speaker
from engine.simulate.calibration_set import calibration_dir, load_calibration_set
from engine.simulate.view import evidence_of
from engine.store.files import write_json_lines, write_record, write_text
from tests.builders import make_trajectory


def text(**changes: object) -> LabelledText:
    fields = {"id": "a-1", "scene": "a", "turn": 0, "text": "Hello.", "label": "clean", "way": "greets"}
    return LabelledText.model_validate({**fields, **changes})


def write_set(folder: Path, tune: Sequence[LabelledText], test: Sequence[LabelledText]) -> Path:
    for name in ("a", "b"):
        write_record(folder / "scenes" / f"{name}.json", make_trajectory())
    write_json_lines(folder / "tune.jsonl", tune)
    write_json_lines(folder / "test.jsonl", test)
    write_json_lines(folder / "train.jsonl", [])
    write_json_lines(folder / "hard.jsonl", [])
    write_json_lines(folder / "short.jsonl", [])
    return folder


def all_texts(labelled: CalibrationSet) -> list[LabelledText]:
    return [t for part in Part for t in labelled.part(part)]


@pytest.fixture(scope="module")
def bundled() -> CalibrationSet:
    return load_calibration_set()


def test_a_set_comes_back_part_by_part(tmp_path: Path) -> None:
    mine, other = text(), text(id="b-1", scene="b")
    read = load_calibration_set(write_set(tmp_path, [mine], [other]))
    assert read.part(Part.TUNE) == (mine,)
    assert read.part(Part.TEST) == (other,)
    assert set(read.scenes) == {"a", "b"}


def test_a_scene_that_is_not_there_is_named_with_file_and_line(tmp_path: Path) -> None:
    folder = write_set(tmp_path, [text(), text(id="a-2", scene="nowhere")], [])
    with pytest.raises(InputError, match=r"tune\.jsonl:2: there is no scene 'nowhere'"):
        load_calibration_set(folder)


def test_a_turn_after_the_end_of_the_scene_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"test\.jsonl:1: turn 99, but 'b' has"):
        load_calibration_set(write_set(tmp_path, [], [text(scene="b", turn=99)]))


def test_the_line_number_counts_empty_lines_too(tmp_path: Path) -> None:
    folder = write_set(tmp_path, [], [])
    write_text(folder / "tune.jsonl", f"\n{text(turn=99).model_dump_json()}\n")
    with pytest.raises(InputError, match=r"tune\.jsonl:2: turn 99"):
        load_calibration_set(folder)


def test_an_id_that_occurs_twice_is_refused_across_the_parts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"test\.jsonl:1: the id 'a-1' stands at .*tune\.jsonl:1"):
        load_calibration_set(write_set(tmp_path, [text()], [text(scene="b")]))


def test_a_scene_in_both_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"test\.jsonl:1: the scene 'a' is in tune\.jsonl too"):
        load_calibration_set(write_set(tmp_path, [text()], [text(id="a-2")]))


def test_an_unknown_label_is_named_with_its_line(tmp_path: Path) -> None:
    folder = write_set(tmp_path, [text()], [])
    line = text(id="b-1", scene="b").model_dump_json().replace('"clean"', '"odd"')
    write_text(folder / "test.jsonl", line + "\n")
    with pytest.raises(InputError, match=r"test\.jsonl:1 is not a valid LabelledText: label"):
        load_calibration_set(folder)


def test_a_missing_part_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = write_set(tmp_path, [text()], [])
    (folder / "test.jsonl").unlink()
    with pytest.raises(NotFoundError, match=r"test\.jsonl"):
        load_calibration_set(folder)


def test_an_answer_or_ending_can_be_no_opening_and_no_drift() -> None:
    with pytest.raises(ValidationError, match="needs a turn before it"):
        text(speaker="user_ending", label="false_completion")
    with pytest.raises(ValidationError, match="clean or a false completion"):
        text(speaker="agent_answer", turn=1, label="role_drift")


def test_the_scene_before_a_text_ends_with_its_turn_and_has_no_ending(bundled: CalibrationSet) -> None:
    sample = next(t for t in bundled.part(Part.TUNE) if t.turn == 1)
    before = bundled.before(sample)
    assert len(before.turns) == 1
    assert before.outcome is None


def test_every_bundled_scene_is_used_and_stores_the_evidence_of_its_turns(bundled: CalibrationSet) -> None:
    assert {t.scene for t in all_texts(bundled)} == set(bundled.scenes)
    for scene in bundled.scenes.values():
        for earlier, later in zip(scene.turns, scene.turns[1:], strict=False):
            assert later.utterance.evidence == evidence_of(earlier)


def test_each_bundled_part_is_large_and_nearly_half_clean(bundled: CalibrationSet) -> None:
    for part in Part:
        labels = Counter(t.label for t in bundled.part(part))
        assert labels.total() >= 800
        assert 0.4 <= labels[Label.CLEAN] / labels.total() <= 0.6
        assert min(labels[Label.ROLE_DRIFT], labels[Label.STATE_HALLUCINATION]) >= 120
        if part in (Part.TUNE, Part.HARD):
            assert min(labels[label] for label in Label) >= 20


def test_bundled_drift_and_hallucination_come_in_many_ways(bundled: CalibrationSet) -> None:
    for part in Part:
        for label in (Label.ROLE_DRIFT, Label.STATE_HALLUCINATION):
            assert len({t.way for t in bundled.part(part) if t.label is label}) >= 15


def test_what_contradicts_the_record_says_what_the_record_shows(bundled: CalibrationSet) -> None:
    told = (Label.STATE_HALLUCINATION, Label.FALSE_COMPLETION)
    assert [t.id for t in all_texts(bundled) if t.label in told and not t.note] == []
    assert all(t.speaker is Speaker.USER for t in all_texts(bundled) if t.label is Label.ROLE_DRIFT)


def test_no_bundled_text_stands_twice_at_one_place(bundled: CalibrationSet) -> None:
    places = Counter((t.scene, t.turn, t.speaker, t.text) for t in all_texts(bundled))
    assert [place for place, n in places.items() if n > 1] == []


def test_the_bundled_set_lies_in_the_data_folder() -> None:
    assert calibration_dir().parts[-2:] == ("data", "calibration")
