"""The grader's own network: right where it is right, and wrong in the stated ways where it is told to be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader_tests.ps1_backprop.reference import MISTAKES, fair_case
from gradescent.student.compare import relative_error

HIDDEN, OUTPUT = ("sigmoid", "relu", "tanh"), ("sigmoid", "softmax")


def tensors(gradients):
    return [*gradients[0], *gradients[1]]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(2, 5), min_size=2, max_size=5),
    m=st.integers(1, 4),
    hidden=st.sampled_from(HIDDEN),
    output=st.sampled_from(OUTPUT),
)
def test_back_propagation_agrees_with_finite_differences(seed, sizes, m, hidden, output):
    net, x, y = fair_case(np.random.default_rng(seed), sizes, m, hidden, output)
    pairs = zip(tensors(net.gradients(x, y)), tensors(net.numerical_gradients(x, y)), strict=True)
    assert all(relative_error(analytic, numerical) <= 1e-6 for analytic, numerical in pairs)


def test_finite_differences_leave_the_parameters_as_they_were():
    net, x, y = fair_case(np.random.default_rng(1), [3, 4, 2], 2, "tanh", "softmax")
    before = [array.copy() for array in [*net.weights, *net.biases]]
    net.numerical_gradients(x, y)
    assert all(np.array_equal(a, b) for a, b in zip([*net.weights, *net.biases], before, strict=True))


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("seed", range(3))
def test_every_known_mistake_shows_in_some_case(mistake, seed):
    errors = []
    for hidden in HIDDEN:
        for output in OUTPUT:
            net, x, y = fair_case(np.random.default_rng(seed), [3, 4, 4, 3], 3, hidden, output)
            right, wrong = tensors(net.gradients(x, y)), tensors(net.gradients(x, y, mistake))
            errors += [relative_error(a, b) for a, b in zip(right, wrong, strict=True)]
    assert max(errors) > 1e-4


def test_no_two_mistakes_are_the_same():
    """Each must have a case that tells it from every other, or its sentence would be a guess."""
    cases = [
        fair_case(np.random.default_rng(seed), sizes, 3, hidden, output)
        for seed, sizes in enumerate(([3, 4, 4, 3], [2, 3, 3, 3, 2]))
        for hidden in HIDDEN
        for output in OUTPUT
    ]
    made = {key: [g for net, x, y in cases for g in tensors(net.gradients(x, y, key))] for key in MISTAKES}
    keys = list(MISTAKES)
    for number, one in enumerate(keys):
        for other in keys[number + 1 :]:
            assert max(map(relative_error, made[one], made[other])) > 1e-4, (one, other)


@pytest.mark.parametrize("output", OUTPUT)
def test_a_fair_case_has_no_kink_and_no_tiny_gradient(output):
    for seed in range(5):
        net, x, y = fair_case(np.random.default_rng(seed), [3, 4, 4, 2], 3, "relu", output)
        assert all(np.abs(z).min() > 1e-3 for z in net.forward(x)[0])
        assert all(np.linalg.norm(g) > 1e-3 for g in tensors(net.gradients(x, y)))
