"""Known solutions of part 2."""

from grader_tests.variants import Variant

VARIANTS = [
    Variant(
        "missing_transpose",
        edits={"back_prop": [("self.weights[layer].T @ delta", "self.weights[layer] @ delta")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "raised ValueError"},
    ),
    Variant(
        "einsum",
        edits={
            "back_prop": [
                ("delta @ activations[layer].T", "np.einsum('im,jm->ij', delta, activations[layer])"),
                ("self.weights[layer].T @ delta", "np.einsum('ij,im->jm', self.weights[layer], delta)"),
            ]
        },
    ),
]
