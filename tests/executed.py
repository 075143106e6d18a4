"""What the cells of an executed notebook show."""

import nbformat


def outputs_of(file, words: str) -> list:
    """What the one code cell shows whose source holds these words."""
    cells = nbformat.read(file, as_version=4).cells
    (cell,) = (one for one in cells if one.cell_type == "code" and words in one.source)
    return cell.outputs


def pictures_shown(file, words: str) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs_of(file, words))


def text_of(file, words: str) -> str:
    return "".join(output.get("text", "") for output in outputs_of(file, words))
