"""nbgrader's own steps, as nbgrader_config.py has them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbconvert.preprocessors import Preprocessor
from nbgrader.preprocessors import SaveAutoGrades
from nbgrader.utils import chdir
from traitlets.config import Config


def steps(config: Config, configured: list[Any], log: logging.Logger) -> list[Preprocessor]:
    """Preprocessors as nbgrader makes them: of classes, or of their names, each with its settings.

    Args:
        config: their settings.
        configured: a list of nbgrader_config.py, or nbgrader's own.
        log: takes what they remark on.
    """
    exporter = NotebookExporter(config=config, log=log)
    exporter._preprocessors = []
    for step in configured:
        exporter.register_preprocessor(step)
    return exporter._preprocessors


def silent(handler: logging.Handler) -> logging.Logger:
    """A log that tells nobody but the handler: what concerns a person stands in the record.

    Args:
        handler: gets all that is logged.
    """
    log = logging.Logger("gradescent.nbgrader")  # connected to no other
    log.addHandler(handler)
    return log


@contextmanager
def in_folder(root: Path) -> Iterator[None]:
    """Work in the course's folder and with its modules, as nbgrader's commands do.

    Args:
        root: the course's folder.
    """
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    with chdir(str(root)):
        yield


def is_before_saving(step: Preprocessor) -> bool:
    """Whether a step comes before the scores are saved, in a list that has been followed so far."""
    return not isinstance(step, SaveAutoGrades)
