"""Trained weights that a student hands in beside the notebook, where an assignment takes them instead of training again.

Trusted code that reads hostile files: it looks at their first bytes and no further. What is in them is read behind the walls.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from gradescent.course import Limits
from gradescent.grading import intake
from gradescent.grading.inside import wire
from gradescent.grading.regular import IntakeError, read_regular

# By ending, in the order in which they are preferred: what such a file begins with.
SIGNATURES = {".h5": b"\x89HDF\r\n\x1a\n", ".npz": b"PK"}
MODEL = "model"  # a file of this name is for whichever part has no own


@dataclass(frozen=True)
class Weights:
    """The weights of one part.

    Attributes:
        name: of the file in the working folder, empty where there is none.
        content: of the file.
        missing: what the student is told where the assignment takes weights and there are none, else empty.
        problem: what a person has to look at, empty when nothing.
        notes: what was noticed and costs no points.
    """

    name: str = ""
    content: bytes = b""
    missing: str = ""
    problem: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def beside(self) -> intake.Beside:
        """What of it lies in the working folder, and what stands in its place."""
        return intake.Beside({self.name: self.content} if self.name else {}, self.name, self.missing)


def find_weights(folder: Path, part: str, parts: list[str], limits: Limits) -> Weights:
    """The weights that were handed in for a part: `<part>.weights.h5`, else `model.weights.h5`, or the same as .npz.

    Args:
        folder: the submission.
        part: the notebook's name.
        parts: the names of all notebooks of the assignment.
        limits: on the size.

    Raises:
        OSError: the machine cannot read what is there.
    """
    stem = MODEL if len(parts) == 1 else part
    names = _candidates(folder, part, parts)
    if not names:
        return Weights(missing=_not_handed_in(stem))
    chosen, ending = names[0], _ending(names[0])
    standard = {f"{known}.weights{ending}" for known in (part, MODEL)}
    name = chosen if chosen in standard else f"{stem}.weights{ending}"
    try:
        content = _read(folder / chosen, limits)
    except IntakeError as error:
        told = wire.clean(str(error))
        return Weights(missing=told, problem=told)
    notes = [f"{chosen!a} is taken for {name}"] if chosen != name else []
    notes += (
        [f"the weights in {chosen!a} count, those in {', '.join(map(ascii, names[1:]))} do not"] if names[1:] else []
    )
    return Weights(name, content, notes=notes)


def _candidates(folder: Path, part: str, parts: list[str]) -> list[str]:
    """Names of the files that may be a part's weights, the best first."""
    if folder.is_symlink() or folder.parent.is_symlink():  # which the notebooks are refused for
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for _, entry in zip(range(intake.MAX_FILES), entries, strict=False)]
    names = [name for name in names if _ending(name) in SIGNATURES and not name.startswith(".")]
    speaks_of = {name: intake.part_by_name(name, parts) for name in names}
    own = [name for name in names if speaks_of[name] == part] or [name for name in names if speaks_of[name] is None]
    preferred = [f"{stem}.weights" for stem in (part, MODEL)]
    return sorted(own, key=lambda name: (Path(name).stem not in preferred, list(SIGNATURES).index(_ending(name)), name))


def _ending(name: str) -> str:
    return Path(name).suffix.lower()


def _not_handed_in(stem: str) -> str:
    return (
        f"{stem}.weights.h5 was not handed in, and this question is graded with the weights in it. "
        f'Next: train, call model.save_weights("{stem}.weights.h5"), and hand that file in beside the notebook; '
        f'np.savez("{stem}.weights.npz", *model.get_weights()) does as well.'
    )


def _read(file: Path, limits: Limits) -> bytes:
    """A file's content.

    Raises:
        IntakeError: it is no file of weights, or too large. The message names the file and the remedy.
        OSError: the machine cannot read it.
    """
    room = int(min(limits.weights_mb, limits.file_mb, wire.MAX_ARRAYS >> 20) * (1 << 20))
    remedy = (
        "hand in the weights alone, without the optimizer's state, or raise weights_mb (and file_mb) in course.toml"
    )
    content = read_regular(file, room, remedy)
    if not content.startswith(SIGNATURES[_ending(file.name)]):
        remedy = (
            'write it with model.save_weights("….weights.h5") or np.savez("….weights.npz", …), and hand it in again'
        )
        raise IntakeError(f"{file}: holds no weights, whatever its name says. Remedy: {remedy}")
    return content
