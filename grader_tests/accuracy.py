"""Accuracy, graded fairly: train through the student's own functions, ask for predictions, and look how they come about.

Labels of the test set never enter the student's process, and its inputs only as arguments of `predict`: in random order,
in chunks, with mildly transformed copies and repeats among them. What is measured stands in the readings of the result.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradescent.student.compare import check_probabilities, wrong
from gradescent.student.judging import Handle, Partly, Reading, Stop, Student

Inputs = np.ndarray | list[np.ndarray]  # images as one array, or token lists
Examples = tuple[Inputs, np.ndarray]

CHUNK = 500  # inputs of one call of predict
LARGEST_CHECK = 500  # inputs of the checks that want no exact accuracy
RENAMED_CHECK = 2000  # inputs, of which a guess between two classes does not answer 55 % under the new names by chance
TRAININGS = 3
SIGMAS = 2  # standard errors below the first point within which luck is given another chance
AT_ONCE = 0.001  # CPU seconds in which nothing is trained
SAME = 1e-3  # probabilities that the batch changes by less are the same: float32 gives 1e-6, a GPU's TF32 1e-4


@dataclass(frozen=True)
class Task:
    """What the student's functions are to learn, and what it is worth.

    Attributes:
        name: of the task, for the cache and the readings.
        build, train, predict: names of the student's functions: build() -> model, train(inputs, labels, seed=...) -> model,
            predict(model, inputs) -> probabilities, (m, classes), or (m,) of class 1 where there are two classes.
        training: inputs and labels that `train` is called with.
        test: inputs and labels that the accuracy is measured on.
        classes: number of classes.
        transform: makes mildly changed copies, of which a model thinks nearly the same: (inputs, rng) -> inputs.
        least: accuracy from which on there are points.
        full: accuracy that gets full marks.
        unlike: examples of the training on permuted labels.
        follows: share of the permuted labels that a model must answer after it.
        things: what the inputs are called in a message.
        setting: what the readings say of the size, "full" or a reduced one.
        built_with: arguments of `build`.
        inspect: looks at the model that is measured, and raises Stop where it is not of the kind that is asked for.
    """

    name: str
    build: str
    train: str
    predict: str
    training: Examples
    test: Examples
    classes: int
    transform: Callable[[Any, np.random.Generator], Any]
    least: float
    full: float
    unlike: int
    follows: float
    things: str = "images"
    setting: str = "full"
    built_with: tuple[Any, ...] = ()
    inspect: Callable[[Student, Handle], None] | None = None

    @property
    def chance(self) -> float:
        return 1 / self.classes


@dataclass
class Measured:
    """The best of a student's trainings.

    Attributes:
        accuracy: on the test set.
        error: its standard error, √(p(1 − p)/n).
        answers: the classes answered, in the order of the test set.
        probes: accuracy on the transformed copies.
        originals: accuracy on what they are copies of.
        model: that was measured.
        readings: what stands in the result.
    """

    accuracy: float
    error: float
    answers: np.ndarray
    probes: float
    originals: float
    model: Handle
    readings: dict[str, Reading] = field(default_factory=dict)


def judge_ramp(student: Student, task: Task, rng: np.random.Generator) -> None:
    """All points of a check at `task.full`, none below `task.least`, and in between in proportion.

    Raises:
        Stop: something else, with the accuracy and the likely cause.
    """
    found = measured(student, task, rng)
    if found.accuracy >= task.full:
        return
    got = f"{_told(found, task)}: full marks at {task.full:.1%}, points from {task.least:.1%} on"
    stop = wrong(f"accuracy of {task.train}", got, _why_low(found, task), _next_step(found, task))
    fraction = (found.accuracy - task.least) / (task.full - task.least)
    raise Partly(fraction, str(stop)) if fraction > 0 else stop


def judge_threshold(student: Student, task: Task, rng: np.random.Generator, threshold: float) -> None:
    """All points of a check at a threshold of its own, for extra credit; the model of this run is trained once."""
    found = measured(student, task, rng)
    if not found.accuracy >= threshold:
        raise wrong(f"accuracy of {task.train}", f"{_told(found, task)}, {threshold:.1%} is asked for")


def measured(student: Student, task: Task, rng: np.random.Generator) -> Measured:
    """Train and measure, once a process: later checks get what the first one found, a failure included.

    Raises:
        Stop: the functions fail, or the predictions do not come from a model that learnt what it was given.
    """
    if task.name not in student.memory:
        try:
            student.memory[task.name] = _measure(student, task, rng)
        except Stop as stop:
            student.memory[task.name] = stop
    kept = student.memory[task.name]
    if isinstance(kept, Stop):
        raise kept
    student.readings |= kept.readings
    return kept


def _measure(student: Student, task: Task, rng: np.random.Generator) -> Measured:
    student.readings |= {"setting": task.setting, "test_size": len(task.test[1])}
    found: list[Measured] = []
    fair = False
    while not found or (len(found) < TRAININGS and not student.weights and _is_in_between(found, task)):
        try:
            found.append(_one_measured(student, task, rng, len(found) + 1))
        except Stop as stop:
            if not fair:
                raise
            student.readings["further_training_failed"] = str(stop)  # which takes nothing from what the others reached
            break
        best = max(found, key=lambda one: one.accuracy)
        if best is found[-1] and best.accuracy > task.least:  # who gets no points needs no further checks
            check_probes(best, task)
            if not fair:
                _check_learning(student, task, best, rng)
                fair = True
            if task.inspect:
                task.inspect(student, best.model)
    student.readings |= {"accuracy": best.accuracy, "standard_error": best.error, "trainings": len(found)}
    student.readings |= {"accuracy_probes": best.probes, "accuracy_of_their_originals": best.originals}
    best.readings = dict(student.readings)
    return best


def _one_measured(student: Student, task: Task, rng: np.random.Generator, number: int) -> Measured:
    model = _loaded(student, task) if student.weights else _trained(student, task, rng, number)
    found = evaluate(student, model, task, rng)
    student.readings[f"accuracy_{number}"] = found.accuracy
    return found


def _check_learning(student: Student, task: Task, found: Measured, rng: np.random.Generator) -> None:
    """Look, with more calls of the student's functions, whether the accuracy comes from learning.

    Raises:
        Stop: it does not.
    """
    check_model_matters(student, task, found)
    if not student.weights:
        check_learns_what_it_is_given(student, task, rng)


def _is_in_between(found: list[Measured], task: Task) -> bool:
    """Whether the best has some of the points and not all, or none by no more than the test set's own chance may explain."""
    best = max(found, key=lambda one: one.accuracy)
    return task.least - SIGMAS * best.error < best.accuracy < task.full


def _trained(student: Student, task: Task, rng: np.random.Generator, number: int) -> Handle:
    seed, begun = int(rng.integers(2**31 - 1)), time.monotonic()
    inputs, labels = task.training
    order = rng.permutation(len(labels))
    model = student.call(task.train, take(inputs, order), labels[order], seed=seed)
    student.readings |= {
        f"seed_{number}": seed,
        f"train_cpu_seconds_{number}": student.seconds,
        f"train_wall_seconds_{number}": time.monotonic() - begun,
    }
    return _a_model(f"{task.train}(...)", model)


def _loaded(student: Student, task: Task) -> Handle:
    """The student's network with the weights that were handed in: the file is read where the student's code runs."""
    student.readings["weights"] = student.weights
    model = _built(student, task)
    if not student.weights.endswith(".npz"):
        model.call("load_weights", student.weights)
        return model
    numpy = student.read("np")
    if not hasattr(numpy, "call"):
        raise wrong("np", "is not NumPy any more", "a variable of this name", "name the variable otherwise")
    stored = numpy.call("load", student.weights, allow_pickle=False)
    model.call("set_weights", [stored.call("__getitem__", name) for name in stored.get("files")])
    return model


def _built(student: Student, task: Task) -> Handle:
    return _a_model(f"{task.build}(...)", student.call(task.build, *task.built_with))


def _a_model(what: str, value: Any) -> Handle:
    if value is None:
        raise wrong(what, "came back as None", "a missing return statement", "end the function with `return model`")
    if not hasattr(value, "call"):
        raise wrong(what, f"came back as {type(value).__name__}, expected a model", "", "return the keras.Model")
    return value


# ── Predictions ──────────────────────────────────────────────────────────────────────────────────────────────────


def evaluate(student: Student, model: Handle, task: Task, rng: np.random.Generator) -> Measured:
    """Ask for predictions of the test set, with copies and repeats among it, and judge their form and steadiness."""
    inputs, labels = task.test
    n = len(labels)
    copied = rng.permutation(n)[: max(min(n, 100), n // 5)]
    repeats = rng.integers(n, size=n // 50 + (-(n + len(copied) + n // 50)) % CHUNK)
    everything = joined(inputs, task.transform(take(inputs, copied), rng), take(inputs, repeats))
    order = rng.permutation(len(everything))
    probabilities = np.empty((len(order), task.classes))
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        probabilities[chunk] = predictions(student, model, task, take(everything, chunk))
    _check_steady(probabilities[:n][repeats], probabilities[n + len(copied) :], task)
    _check_company(student, model, task, probabilities[:n], rng)
    answers = probabilities.argmax(axis=1)
    accuracy = float(np.mean(answers[:n] == labels))
    probes = float(np.mean(answers[n : n + len(copied)] == labels[copied]))
    originals = float(np.mean(answers[copied] == labels[copied]))
    return Measured(accuracy, math.sqrt(accuracy * (1 - accuracy) / n), answers[:n], probes, originals, model)


def predictions(student: Student, model: Handle, task: Task, inputs: Inputs) -> np.ndarray:
    """Probabilities of the classes, (m, classes), as the student's `predict` gives them.

    Raises:
        Stop: they have another shape, or are none.
    """
    what, m = f"{task.predict}(model, <{len(inputs)} {task.things}>)", len(inputs)
    shape = (m,) if task.classes == 2 else (m, task.classes)
    value = student.call(task.predict, model, inputs)
    array = check_probabilities(what, value, shape, SAME)
    return np.column_stack([1 - array, array]) if task.classes == 2 else array


def _check_steady(first: np.ndarray, second: np.ndarray, task: Task, company: str = "") -> None:
    difference = float(np.abs(first - second).max(initial=0))
    if difference <= SAME:
        return
    raise wrong(
        f"{task.predict} of the same {task.things} a second time, {company or 'in another order'}",
        f"gives probabilities that differ by up to {difference:.2g}",
        f"random answers, dropout that is still on (training=True), or a mean over the {task.things} of one call: "
        "what is predicted for one may depend neither on chance nor on the others",
        "predict one by itself and within a batch, and compare",
    )


def _check_company(student: Student, model: Handle, task: Task, known: np.ndarray, rng: np.random.Generator) -> None:
    """One input by itself, and some of one class only: statistics of the batch would differ."""
    labels = task.test[1]
    alike = np.flatnonzero(labels == rng.choice(labels))[:50]
    for chosen, company in ((alike[:1], "alone"), (alike, "in other company")):
        again = predictions(student, model, task, take(task.test[0], chosen))
        _check_steady(known[chosen], again, task, company)


# ── Unfair means ─────────────────────────────────────────────────────────────────────────────────────────────────


def check_probes(found: Measured, task: Task) -> None:
    """A model thinks nearly the same of a mildly transformed copy; a table of answers knows nothing of it."""
    if found.probes - task.chance >= 0.5 * (found.originals - task.chance):
        return
    raise wrong(
        f"{task.predict} of {task.things} that were changed by very little",
        f"{found.probes:.1%} right, and {found.originals:.1%} of the same {task.things} unchanged",
        "answers that are looked up instead of computed",
        f"predict from the {task.things} with the model alone",
    )


def check_model_matters(student: Student, task: Task, found: Measured) -> None:
    """A model as `build` makes it has learnt nothing, so that `predict` must do badly with it."""
    fresh = _built(student, task)
    chosen = np.arange(min(LARGEST_CHECK, len(task.test[1])))
    answers = predictions(student, fresh, task, take(task.test[0], chosen)).argmax(axis=1)
    accuracy = float(np.mean(answers == task.test[1][chosen]))
    student.readings["accuracy_untrained"] = accuracy
    if accuracy - task.chance <= 0.5 * (found.accuracy - task.chance):
        return
    raise wrong(
        f"{task.predict} with a model fresh from {task.build}",
        f"{accuracy:.1%} right, though that model has not been trained",
        f"{task.predict} does not use the model that it is given, or {task.build} returns one that was trained before",
        "use the argument `model`, and no variable of the notebook",
    )


def check_learns_what_it_is_given(student: Student, task: Task, rng: np.random.Generator) -> None:
    """Train on a few examples whose classes have changed their names: a model that learns answers the new names."""
    inputs, labels = task.training
    chosen = rng.permutation(len(labels))[: task.unlike]
    cycle = rng.permutation(task.classes)
    renamed = np.empty(task.classes, labels.dtype)
    renamed[cycle] = np.roll(cycle, 1)
    what = f"{task.train} on {len(chosen)} {task.things} whose classes were renamed"
    seed = int(rng.integers(2**31 - 1))
    model = _a_model(what, student.call(task.train, take(inputs, chosen), renamed[labels[chosen]], seed=seed))
    asked = rng.permutation(len(task.test[1]))[:RENAMED_CHECK]
    answers = predictions(student, model, task, take(task.test[0], asked)).argmax(axis=1)
    followed = float(np.mean(answers == renamed[task.test[1][asked]]))
    student.readings["follows_renamed_classes"] = followed
    if followed >= task.follows:
        return
    stubborn = float(np.mean(answers == task.test[1][asked]))
    raise wrong(
        what,
        f"{followed:.1%} of the new names are answered, and {stubborn:.1%} of the old ones",
        "a model that does not learn from the arguments of this call: other data, weights that were trained before, "
        "or answers that are looked up",
        f"use the arguments of {task.train} and nothing else, and build a new model in each call",
    )


# ── Messages and inputs ──────────────────────────────────────────────────────────────────────────────────────────


def _told(found: Measured, task: Task) -> str:
    trainings = found.readings.get("trainings", 1)
    best = f", the best of {trainings:g} trainings" if trainings != 1 else ""
    return f"{found.accuracy:.2%} ± {found.error:.2%} on {len(found.answers):,} test {task.things}{best}"


def _why_low(found: Measured, task: Task) -> str:
    given, labels = np.unique(found.answers), task.test[1]
    if len(given) == 1:
        return f"it answers {given[0]} to everything: it is not trained, or the learning rate is far too large"
    if _share_of_other_names(found.answers, labels, task.classes) >= 0.5:
        return "most classes are told apart, but answered under another class's name: the labels were changed, or moved by one"
    if found.accuracy <= task.chance + 0.1:
        return "no better than guessing: not trained, or inputs and labels that do not belong together"
    never = [str(label) for label in np.unique(labels) if label not in given]
    if never:
        return f"it never answers {' or '.join(never)}"
    if found.accuracy >= task.least:
        return ""
    if float(found.readings.get("train_cpu_seconds_1", math.inf)) < AT_ONCE:
        return "it came back at once: a model that was trained before, on less, and kept in a variable of the notebook"
    return "too few epochs, or a learning rate that is too small or too large"


def _share_of_other_names(answers: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """Share of the answers that are wrong and yet the most frequent one for their class, and for no other class."""
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, answers), 1)
    names = counts.argmax(axis=1)
    own = [label for label in range(classes) if names[label] != label and np.sum(names == names[label]) == 1]
    return float(counts[own, names[own]].sum() / len(labels))


def _next_step(found: Measured, task: Task) -> str:
    if found.accuracy > task.least:
        return "more epochs, a learning rate that falls towards the end, or a little more capacity"
    return "hold back a tenth of the training set, and plot loss and accuracy on both parts after every epoch"


def take(inputs: Inputs, indices: np.ndarray) -> Inputs:
    """The inputs at these places."""
    return inputs[indices] if isinstance(inputs, np.ndarray) else [inputs[i] for i in indices]


def joined(*parts: Inputs) -> Inputs:
    """Several inputs one behind the other."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [row for part in parts for row in part]
