"""The page of all numbers is what the files say, and README's results are on it."""

import re

import pytest

from benchmarks import numbers
from utils.config import PROJECT, RESULTS

# Settings that a table of results names, and no measurement: the level of intervals, how a
# blur or an overlap is defined, the size of the video.
_SETTINGS = {"95", "0.5", "1", "1.1", "1.3", "3", "5", "350", "224", "2013", "16", "852"}


def test_the_page_is_what_the_files_say():
    written = (RESULTS / "README.md").read_text(encoding="utf-8")
    assert written == numbers.page(numbers.read_all()), "run `python -m benchmarks.numbers`"


def test_every_file_has_its_part_and_the_list_leads_to_it():
    written = (RESULTS / "README.md").read_text(encoding="utf-8")
    for name in numbers.read_all():
        assert f"[`{name}.json`]({name}.json)" in written
    anchors = {numbers._anchor(line[3:]) for line in written.splitlines() if line[:3] == "## "}
    assert set(re.findall(r"\]\(#(.*?)\)", written)) == anchors


def test_values_are_written_as_a_person_reads_them():
    page = numbers.page(
        {
            "new": {
                "accuracy": 0.70911,
                "log_loss": 0.8298,
                "largest_difference": 1.31e-6,
                "parameters": 2187939,
                "first_answer_s": 0.6453,
                "intervals": {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}},
                "contenders": {"a": {"p50_ms": 5.34, "fps": 166.8}, "b": {"p50_ms": 75.79}},
            }
        }
    )
    for row in (
        "| accuracy | 70.9 % |",
        "| log loss | 0.830 |",
        "| largest difference | 1e-06 |",
        "| parameters | 2,187,939 |",
        "| first answer (s) | 0.645 |",
        "| accuracy | 50.0 % (40.0 % to 60.0 %) |",
        "| contenders | p50 (ms) | fps |",
        "| a | 5.34 | 166.8 |",
        "| b | 75.79 |  |",
    ):
        assert row in page


def test_every_figure_of_readmes_results_is_on_the_page():
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    results = re.search(r"^## Results$(.*?)^## ", readme, re.MULTILINE | re.DOTALL)
    if not results:
        pytest.skip("README has no part called Results")
    rows = [line for line in results[1].splitlines() if line.startswith("|")]
    text = re.sub(r"`[^`]*`|\]\([^)]*\)", "", "\n".join(rows))
    page = (RESULTS / "README.md").read_text(encoding="utf-8")
    page = "\n".join(line for line in page.splitlines() if line.startswith("|"))
    known = set(_figures(page))
    unknown = [
        figure
        for figure in set(_figures(text)) - _SETTINGS
        if not any(_rounds_to(one, figure) for one in known)
    ]
    assert not unknown, f"no file in results/ says {', '.join(unknown)}, as README does"


def _figures(text: str) -> list[str]:
    return re.findall(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w]|[.,]\d)", text)


def _rounds_to(exact: str, figure: str) -> bool:
    """Whether a figure is the same number to fewer digits, or to as many."""
    digits, more = (len(one.partition(".")[2]) for one in (figure, exact))
    difference = abs(float(exact.replace(",", "")) - float(figure.replace(",", "")))
    return more >= digits and difference <= 0.5001 * (10.0**-digits + 10.0**-more) * (more > digits)
