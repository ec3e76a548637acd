"""Reading the labelled calibration set from its folder.

```
FOLDER/
  scenes/NAME.json   a trajectory that was really played, cut to its first turns
  tune.jsonl         labelled texts to write rules by
  train.jsonl        labelled texts for the reader to learn from
  test.jsonl         labelled texts to measure with; they share no scene with those above
  hard.jsonl         the same, terse and written to get past checks
  short.jsonl        the same, a few plain words each
```
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.errors import InputError
from engine.paths import data_dir
from engine.schema.calibration import CalibrationSet, LabelledText, Part
from engine.schema.trajectory import Trajectory
from engine.store.files import read_bytes, read_json_lines, read_record


def calibration_dir() -> Path:
    """The folder of the set that comes with the project."""
    return data_dir() / "calibration"


def load_calibration_set(folder: Path | None = None) -> CalibrationSet:
    """The set in `folder`, by default the bundled one, every line checked against its scene.

    Raises:
        NotFoundError: A file of the set is missing.
        InputError: A scene or a line is not valid, or does not fit the others; names file and line.
    """
    folder = folder or calibration_dir()
    scenes = {path.stem: read_record(path, Trajectory) for path in sorted((folder / "scenes").glob("*.json"))}
    ids: dict[str, str] = {}
    parts = {part: _read_part(folder / f"{part}.jsonl", scenes, ids) for part in Part}
    _refuse_shared_scenes(folder, parts)
    return CalibrationSet(scenes=scenes, texts={part: tuple(found.values()) for part, found in parts.items()})


def _read_part(path: Path, scenes: Mapping[str, Trajectory], ids: dict[str, str]) -> dict[int, LabelledText]:
    """The labelled texts of one file by line number; `ids` learns where each id stands."""
    numbers = (n for n, line in enumerate(read_bytes(path).splitlines(), start=1) if line.strip())
    texts = dict(zip(numbers, read_json_lines(path, LabelledText), strict=True))
    for number, text in texts.items():
        where = f"{path}:{number}"
        _refuse_misfit(where, text, scenes)
        if text.id in ids:
            raise InputError(f"{where}: the id {text.id!r} stands at {ids[text.id]} already: give another")
        ids[text.id] = where
    return texts


def _refuse_misfit(where: str, text: LabelledText, scenes: Mapping[str, Trajectory]) -> None:
    scene = scenes.get(text.scene)
    if scene is None:
        raise InputError(f"{where}: there is no scene {text.scene!r}: add scenes/{text.scene}.json")
    if text.turn > len(scene.turns):
        raise InputError(f"{where}: turn {text.turn}, but {text.scene!r} has {len(scene.turns)} turns")


def _refuse_shared_scenes(folder: Path, parts: Mapping[Part, Mapping[int, LabelledText]]) -> None:
    seen = {text.scene: p for p in Part if not p.is_held_out for text in parts[p].values()}
    for part in (p for p in Part if p.is_held_out):
        for number, text in parts[part].items():
            if text.scene in seen:
                raise InputError(
                    f"{folder / f'{part}.jsonl'}:{number}: the scene {text.scene!r} is in "
                    f"{seen[text.scene]}.jsonl too: a text to measure with must come from another scene"
                )
