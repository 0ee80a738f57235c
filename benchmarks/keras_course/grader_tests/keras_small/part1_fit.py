"""Hidden tests of the benchmark's Keras notebook."""

from __future__ import annotations

import numpy as np

from gradescent.student.compare import check_shape, wrong
from gradescent.student.judging import Questions, Student

questions = Questions()


@questions("predict", needs=("predict",))
def tells_inside_from_outside(student: Student, rng: np.random.Generator) -> None:
    x = rng.uniform(-1, 1, (500, 2)).astype("float32")
    inside = np.hypot(x[:, 0], x[:, 1]) < 0.7
    answer = student.call("predict", x)
    if not np.mean(check_shape("predict(x)", answer, (500,)) == inside) >= 0.9:
        raise wrong("predict(x)", "is wrong for more than a tenth of the points", "the model is not trained")
