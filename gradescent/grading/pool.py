"""Supervisors as processes: each grades one submission at a time, and one that is killed loses nobody's work.

They are forked, so they share the hidden tests and the sockets of the warm processes, and trust each other. No student's
code runs in them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from gradescent.grading.inside import linux

POLL_SECONDS = 0.1
ATTEMPTS = 3  # at one piece of work, where the process that did it was killed
STOPPING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}  # what says that the main process is to end

Item = TypeVar("Item")
Value = TypeVar("Value")

_NEWS: Any = None  # in a supervisor: the queue to the main process


class Lost(Exception):
    """The processes that did a piece of work were killed again and again."""


class Pool:
    """Processes that do one kind of work after another.

    Args:
        workers: how many.
        report: told who is worked on and what is going on, and called with empty texts now and then.
    """

    def __init__(self, workers: int, report: Callable[[str, str], None]):
        self._workers, self._report = workers, report
        self._context = multiprocessing.get_context("fork")
        self._executor = self._new()

    def _new(self) -> ProcessPoolExecutor:
        # With a queue of its own: a process that was killed while it told something holds the old one's lock for ever.
        self._news = self._context.SimpleQueue()
        return ProcessPoolExecutor(self._workers, self._context, _begin, (self._news, os.getpid()))

    def run(self, work: Callable[[Item], Value], items: Mapping[str, Item]) -> Iterator[tuple[str, Value | Lost]]:
        """Do the work for every item and yield the values by name, as they come.

        Args:
            work: a function at the top of its module.
            items: by name. What is sent and returned must be picklable.
        """
        waiting, active = dict(items), set[str]()
        attempts: Counter[str] = Counter()
        while waiting:
            # Those at work when a process was killed are tried one by one: it may always be the same who causes it.
            suspect = next((name for name in waiting if attempts[name]), None)
            try:
                for name, value in self._round(work, {suspect: waiting[suspect]} if suspect else waiting, active):
                    waiting.pop(name)
                    yield name, value
            except BrokenProcessPool:
                self._executor.shutdown()
                self._hear(active)
                self._executor = self._new()
                attempts.update(active)
                for name in [name for name in active if attempts[name] >= ATTEMPTS and name in waiting]:
                    waiting.pop(name)
                    yield name, Lost(f"the process that graded it was killed {ATTEMPTS} times")

    def _round(
        self, work: Callable[[Item], Value], waiting: Mapping[str, Item], active: set[str]
    ) -> Iterator[tuple[str, Value]]:
        active.clear()
        # Processes are forked here: until they have begun, none of them shall take a signal for its own.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            pending: dict[Future[Value], str] = {
                self._executor.submit(_perform, work, name, item): name for name, item in waiting.items()
            }
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        while pending:
            done, _ = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            self._hear(active)
            for future in done:
                value = future.result()
                name = pending.pop(future)
                active.discard(name)
                yield name, value

    def _hear(self, active: set[str]) -> None:
        while not self._news.empty():
            name, what = self._news.get()
            active.add(name)
            self._report(name, what)
        self._report("", "")

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self._executor.shutdown(wait=kind is None, cancel_futures=True)
        if kind is not None:  # interrupted: what a supervisor holds ends with it, and nothing is half written
            for process in multiprocessing.active_children():
                process.kill()


def tell(name: str, what: str) -> None:
    """In a supervisor: say what is going on."""
    if _NEWS is not None:
        _NEWS.put((name, what))


def _begin(news: Any, main: int) -> None:
    global _NEWS
    _NEWS = news
    for number in (signal.SIGINT, signal.SIGHUP):  # the main process hears them and ends the others
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    if sys.platform.startswith("linux"):
        linux.control(linux.SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != main:  # it ended before it could be heard
        os._exit(1)


def _perform(work: Callable[[Item], Value], name: str, item: Item) -> Value:
    tell(name, "reading")
    return work(item)
