"""Progress bars that stay readable where a notebook's widgets are not shown.

tqdm's own notebook bar is a widget: on GitHub, or in a notebook that is not trusted, it reads "0%"
for ever. Here it is plain text that is exchanged in place, so what is saved is the finished bar.
"""

import io
import sys

from tqdm.std import tqdm


def progress_bar(*arguments, **settings) -> tqdm:
    """A `tqdm` bar: text in a notebook's cell, or on the terminal; arguments as tqdm's."""
    return (NotebookBar if _in_notebook() else tqdm)(*arguments, **settings)


class NotebookBar(tqdm):
    """A bar as text in the output of a notebook's cell; arguments as tqdm's."""

    def __init__(self, *arguments, **settings):
        self._shown = None
        settings = {"ascii": False, "ncols": 100, **settings}
        super().__init__(*arguments, file=io.StringIO(), **settings)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show the bar's present state in place of the one before."""
        from IPython.display import display  # only notebooks have it

        bundle = {"text/plain": str(self) if msg is None else msg}
        if self._shown is None:
            self._shown = display(bundle, raw=True, display_id=True)
        else:
            self._shown.update(bundle, raw=True)


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
