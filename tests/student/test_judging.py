"""Checks become points: partial credit, the message, and inputs that do not depend on the other checks."""

import json

import numpy as np
import pytest

from gradescent.student.compare import compare
from gradescent.student.direct import DirectStudent
from gradescent.student.judging import (
    MAX_READING,
    MAX_READINGS,
    Died,
    Missing,
    NotAttempted,
    Outcome,
    Partly,
    Questions,
    TimeLimit,
    Wrong,
    judge,
)


def question(*checks):
    """A question of (function, weight) pairs."""
    questions = Questions()
    for run, weight in checks:
        questions("q", weight=weight, needs=("f",))(run)
    return questions["q"]


def passes(student, rng):
    pass


def raises(stop):
    def fails(student, rng):
        raise stop

    return fails


def judged(*checks, points=10.0, seed=1):
    return judge(question(*checks), DirectStudent({}), points, seed)


def test_all_right():
    result = judged((passes, 1), (passes, 3))
    assert (result.score, result.max_score, result.outcome, result.message) == (10.0, 10.0, Outcome.RIGHT, "")
    assert result.checks == {"passes": "right"}


@pytest.mark.parametrize(
    ("weights", "score"), [((1, 1), 5.0), ((1, 3), 2.5), ((3, 1), 7.5), ((1, 2), 3.33), ((2, 1), 6.67)]
)
def test_partial_credit_follows_the_weights(weights, score):
    assert judged((passes, weights[0]), (raises(Wrong("no")), weights[1])).score == score


def test_the_first_problem_gives_outcome_and_message():
    result = judged((passes, 1), (raises(NotAttempted("todo")), 1), (raises(Wrong("later")), 1))
    assert (result.outcome, result.message) == (Outcome.NOT_ATTEMPTED, "todo")
    assert result.to_dict()["outcome"] == "not attempted"


@pytest.mark.parametrize(("fraction", "score"), [(0.0, 2.5), (0.25, 4.38), (0.6, 7.0), (0.9999, 10.0)])
def test_a_part_of_a_checks_points(fraction, score):
    result = judged((passes, 1), (raises(Partly(fraction, "0.976 of 0.985")), 3))
    assert (result.score, result.outcome, result.message) == (score, Outcome.PARTLY, "0.976 of 0.985")
    assert result.checks == {"passes": "right", "fails": "partly right"}


def test_what_is_wrong_is_told_before_what_is_partly_right():
    result = judged((raises(Partly(0.5, "half")), 1), (raises(Wrong("no")), 1))
    assert (result.score, result.outcome, result.message) == (2.5, Outcome.WRONG, "no")


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan"), float("inf")])
def test_a_part_lies_between_nothing_and_everything(fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Partly(fraction, "")


def reads(**readings):
    def check(student, rng):
        student.readings |= readings

    return check


def test_readings_stand_in_the_result_whatever_the_outcome():
    def measures_and_fails(student, rng):
        student.readings["accuracy"] = np.float32(0.1)
        raise Wrong("no")

    result = judged((reads(seed=7, note="x"), 1), (measures_and_fails, 1))
    assert result.readings == {"seed": 7, "note": "x", "accuracy": 0.1}
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["readings"] == result.readings


def test_readings_are_bounded_and_fit_into_json():
    result = judged((reads(**{f"r{i}": i for i in range(1000)}), 1))
    assert len(result.readings) == MAX_READINGS
    result = judged((reads(long="x" * 10_000, none=float("nan"), many=np.inf, exact=1 / 3, flag=np.bool_(True)), 1))
    assert result.readings == {"long": "x" * MAX_READING, "none": "nan", "many": "inf", "exact": 0.333333, "flag": 1.0}
    json.dumps(result.to_dict(), allow_nan=False)


def test_readings_belong_to_one_question():
    student = DirectStudent({})
    assert judge(question((reads(a=1), 1)), student, 1, 0).readings == {"a": 1}
    assert judge(question((passes, 1)), student, 1, 0).readings == {}


def test_memory_outlives_a_question_and_can_outlive_a_student():
    shared = {}
    DirectStudent({}, memory=shared).memory["model"] = 1
    assert DirectStudent({}, memory=shared).memory == {"model": 1}
    assert DirectStudent({}).memory == {}


def test_a_wrong_check_does_not_keep_the_next_from_running():
    assert judged((raises(Wrong("no")), 1), (passes, 1)).score == 5.0


@pytest.mark.parametrize("stop", [TimeLimit("late"), Died("gone")])
def test_after_a_hopeless_check_no_other_runs(stop):
    ran = []
    result = judged((passes, 1), (raises(stop), 1), (lambda student, rng: ran.append(1), 2))
    assert ran == []
    assert (result.score, result.outcome) == (2.5, stop.outcome)


def test_a_fault_of_the_check_itself_is_no_fault_of_the_student():
    with pytest.raises(ZeroDivisionError):
        judged((lambda student, rng: 1 / 0, 1))


def drawn_by(*checks, seed):
    seen = {}

    def recording(name, draws):
        def check(student, rng):
            seen[name] = rng.normal(size=draws)

        return check

    judged(*[(recording(name, draws), 1) for name, draws in checks], seed=seed)
    return seen


def test_a_check_does_not_shift_the_inputs_of_another():
    few, many = drawn_by(("a", 1), ("b", 3), seed=5), drawn_by(("a", 1000), ("b", 3), seed=5)
    assert np.array_equal(few["b"], many["b"])
    assert few["a"][0] != few["b"][0]
    assert not np.array_equal(few["b"], drawn_by(("a", 1), ("b", 3), seed=6)["b"])


def test_needs_are_collected_without_repeats():
    questions = Questions()
    questions("q", needs=("f",))(passes)
    questions("q", needs=("f", "g"))(passes)
    assert questions["q"].needs == ("f", "g")


class Net:
    def __init__(self, n):
        self.weights = [np.ones((n, n))]
        self._odd = 1

    def double(self, x):
        x *= 2
        return x

    def helper(self):
        return self

    @property
    def broken(self):
        raise ValueError("half done")

    @property
    def fixed(self):
        return 3


@pytest.fixture
def student():
    namespace = {"Net": Net, "add": lambda f, x: f(x) + 1, "half": lambda net: net._odd / 2, "table": [1, np.ones(2)]}
    return DirectStudent({**namespace, "number": np.int64(4), "nothing": None, "model": Net(1)})


def test_arguments_of_the_check_stay_as_they_are(student):
    x = np.ones(2)
    assert student.new("Net", 2).call("double", x).tolist() == [2, 2]
    assert x.tolist() == [1, 1]
    assert student.modified == ["0"]


def test_what_comes_back_is_a_copy(student):
    net = student.new("Net", 2)
    net.get("weights")[0][:] = 7
    assert net.get("weights")[0].tolist() == [[1, 1], [1, 1]]


def test_what_is_set_is_a_copy(student):
    net, weights = student.new("Net", 2), [np.zeros((2, 2))]
    net.set("weights", weights)
    weights[0][:] = 7
    assert net.get("weights")[0].tolist() == [[0, 0], [0, 0]]


def test_data_crosses_and_objects_stay_behind_a_handle(student):
    assert student.read("number") == 4
    assert student.read("nothing") is None
    assert student.read("table")[1].tolist() == [1, 1]
    assert student.read("model").get("fixed") == 3
    other = student.new("Net", 1).call("helper")
    assert other.get("_odd") == 1
    assert other.type_name == "Net"
    with pytest.raises(Wrong, match="came back as a Net, expected a number"):
        compare("x", other, 1.0)


def test_a_handle_and_a_function_can_be_passed(student):
    assert student.call("half", student.new("Net", 1)) == 0.5
    assert student.call("add", lambda x: 10 * x, 2) == 21


def test_missing_names_and_attributes(student):
    with pytest.raises(Missing, match="relu is not defined"):
        student.call("relu", 1)
    with pytest.raises(Missing, match="Net has no attribute wieghts"):
        student.new("Net", 1).get("wieghts")
    with pytest.raises(Missing, match="Net has no attribute forward"):
        student.new("Net", 1).call("forward")
    assert not student.has("relu")
    assert student.has("Net")


def test_properties_are_the_students_code(student):
    with pytest.raises(Exception, match=r"Net.broken\(\) raised ValueError: half done"):
        student.new("Net", 1).get("broken")
    with pytest.raises(Exception, match="raised AttributeError"):
        student.new("Net", 1).set("fixed", 4)


def test_the_seed_reaches_numpy(student):
    student.seed(1)
    assert np.random.randn() == 1.6243453636632417
