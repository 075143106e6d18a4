"""Bars that are text, in a notebook too."""

import io

import pytest

from utils.progress import NotebookBar, progress_bar


def test_outside_a_notebook_a_bar_is_text_on_the_terminal():
    stream = io.StringIO()
    assert list(progress_bar(range(3), desc="reading", file=stream)) == [0, 1, 2]
    assert "reading: 100%" in stream.getvalue()


def test_a_notebook_keeps_the_finished_bar(monkeypatch):
    shown = []

    class Handle:
        def update(self, bundle, raw):
            shown.append(bundle)

    def display(bundle, raw, display_id):
        assert raw and display_id
        shown.append(bundle)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    with NotebookBar(total=4, desc="training", unit="batch") as bar:
        bar.update(4)
        bar.set_postfix(accuracy="0.900")
    assert all(set(bundle) == {"text/plain"} for bundle in shown)
    last = shown[-1]["text/plain"]
    assert last.startswith("training: 100%|") and "4/4" in last and "accuracy=0.900" in last


@pytest.mark.parametrize("switch", [True, False])
def test_a_bar_that_is_switched_off_shows_nothing(monkeypatch, switch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append(a))
    bar = NotebookBar(range(2), disable=True) if switch else NotebookBar([], disable=True)
    assert list(bar) in ([0, 1], []) and not shown
