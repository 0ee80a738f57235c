"""Written answers in nbgrader's formgrader, in a real browser: shown, graded, and kept when the class is graded again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from commands import environment, run
from conftest import ASSIGNMENT, make_course, source_of

from grader_tests.variants import Variant, fill, load
from gradescent.course import Course
from gradescent.grading import gradebook

PART, QUESTION = "part1_by_hand", "wrong_answer"
STUDENT = "Zoë O'Brien"
ANSWER = "The shape of $W$ is wrong, since $2 < 3$."
ATTACK = "<script>document.title = 'taken over'</script><img src=x onerror=\"document.title = 'taken over'\">"
BY_TESTS = 17.5  # points, half of those for the costs being lost
SCORE, COMMENT = 1.5, "Look at the *sign* too, Zoë."
START_SECONDS = 120
WAIT_SECONDS = 60

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1200,1600",
)
# The page asks for MathJax from the network: whatever is not this machine is refused at once.
ONLY_HERE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"


@pytest.fixture
def course(tmp_path: Path, empty_gradebook: Path) -> Course:
    """Part 1, handed in with a wrong cost and a written answer, graded by gradescent."""
    made = make_course(tmp_path / "course", [PART])
    shutil.copy(empty_gradebook, made.gradebook)
    source = source_of(made, PART)
    wrong = next(variant for variant in load(f"{ASSIGNMENT}/{PART}") if variant.name == "costs_averaged")
    answers = {QUESTION: f"{ANSWER}\n\n{ATTACK}"}
    folder = made.submitted / STUDENT / ASSIGNMENT
    folder.mkdir(parents=True)
    nbformat.write(fill(source, Variant("v", edits=wrong.edits, cells=answers)), folder / f"{PART}.ipynb")
    run(made, "gradescent", "grade", ASSIGNMENT)
    return made


@pytest.fixture
def address(course: Course) -> Iterator[str]:
    """Address of a Jupyter server in the course's folder, for this machine alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = [
        f"--port={port}",
        "--ip=127.0.0.1",
        "--no-browser",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
    ]
    root = ["--allow-root"] if os.getuid() == 0 else []
    log = (course.root.parent / "jupyter.log").open("wb")
    with subprocess.Popen(
        ["jupyter", "lab", *settings, *root], cwd=course.root, env=environment(course), stdout=log, stderr=log
    ) as server:
        home = f"http://127.0.0.1:{port}"
        try:
            _wait_for(lambda: _answers(f"{home}/api/status"), START_SECONDS)
            yield home
        finally:
            server.terminate()
            log.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def _wait_for(condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(f"nothing after {seconds} seconds")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium with its chromedriver here (Debian: chromium, chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.page_load_strategy = "eager"
    for flag in (*FLAGS, ONLY_HERE, f"--user-data-dir={tmp_path / 'browser'}"):
        options.add_argument(flag)
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    started.set_page_load_timeout(WAIT_SECONDS)
    yield started
    started.quit()


def _follow(browser: Any, text: str) -> None:
    """Click on a link, which nbgrader's tables show when their data has arrived."""
    link = _wait_for(lambda: [a for a in browser.find_elements("css selector", "a") if a.text.strip() == text])[0]
    link.click()


def _open_submission(browser: Any, address: str) -> str:
    """Click through to the only submission, as an instructor does, and return the text of its page."""
    browser.get(f"{address}/formgrader/gradebook")
    _follow(browser, ASSIGNMENT)
    _follow(browser, PART)
    _follow(browser, "Submission #1")
    # What is typed counts from when the page has loaded the grades.
    _wait_for(lambda: browser.find_elements("css selector", f"#{QUESTION}.needs_manual_grade"))
    return browser.find_element("tag name", "body").text


def _type(browser: Any, box: str, text: str) -> None:
    element = browser.find_element("id", box)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.send_keys(text)
    browser.execute_script("arguments[0].blur()", element)


def _given(course: Course) -> tuple[float | None, str | None]:
    with gradebook.opened(course) as book:
        grade = book.find_grade(QUESTION, PART, ASSIGNMENT, STUDENT)
        return grade.manual_score, book.find_comment(QUESTION, PART, ASSIGNMENT, STUDENT).manual_comment


def test_a_written_answer_is_graded_in_the_formgrader_and_survives(course: Course, address: str, browser: Any) -> None:
    shown = _open_submission(browser, address)
    for text in ("is wrong, since $2 < 3$", "MARK SCHEME", "½ point", "costs: wrong", "averaged over the examples"):
        assert text in shown
    assert "<br>" not in shown
    assert browser.title == PART

    _type(browser, QUESTION, str(SCORE))
    _type(browser, f"{QUESTION}-comment", COMMENT)
    _wait_for(lambda: _given(course) == (SCORE, COMMENT))
    browser.save_screenshot(str(course.root.parent / "formgrader.png"))

    for command in (("gradescent", "grade"), ("nbgrader", "autograde")):
        run(course, *command, ASSIGNMENT, "--force")
        assert _given(course) == (SCORE, COMMENT)
        with gradebook.opened(course) as book:
            assert book.find_grade(QUESTION, PART, ASSIGNMENT, STUDENT).score == SCORE
            assert book.find_submission(ASSIGNMENT, STUDENT).score == BY_TESTS + SCORE
    for command in (("nbgrader", "generate_feedback", ASSIGNMENT, "--force"), ("gradescent", "grade", ASSIGNMENT)):
        run(course, *command)
        page = (course.feedback / STUDENT / ASSIGNMENT / f"{PART}.html").read_text(encoding="utf-8")
        assert "Look at the <em>sign</em> too, Zoë." in page
        assert f"{PART} (Score: {BY_TESTS + SCORE} / 25.0)" in page
        assert "taken over" not in page
        shutil.rmtree(course.feedback)

    for place, text in (("manage_assignments", ASSIGNMENT), ("manage_students", STUDENT)):
        browser.get(f"{address}/formgrader/{place}")
        _wait_for(lambda text=text: text in browser.find_element("tag name", "body").text)
