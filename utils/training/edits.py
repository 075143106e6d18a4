"""Which model to keep: the one whose head the reader has just edited."""

import json
from pathlib import Path

from utils.config import RUNS
from utils.files import digest, write_json
from utils.training.recipe import Finished
from utils.training.runs import without_names


def just_edited(*finished: Finished, runs: str | Path = RUNS) -> Finished:
    """Of several models the one whose head was edited since this was last asked.

    So the edited model is the one to save, whichever cell its head stands in. Where no head
    has changed it is the same one as before; the first time, or where several have changed,
    the last.

    Args:
        finished: the models, always as many and in the same order.
        runs: folder that holds all runs; a small file there remembers the heads.
    """
    memory = Path(runs) / "edited.json"
    heads = [
        digest(json.dumps(without_names(one.model.get_layer("head").get_config()), default=str))
        for one in finished
    ]
    kept = len(finished) - 1
    if memory.is_file():
        before = json.loads(memory.read_text(encoding="utf-8"))
        if len(before["heads"]) == len(heads):
            pairs = zip(heads, before["heads"], strict=True)
            changed = [place for place, (now, then) in enumerate(pairs) if now != then]
            kept = changed[-1] if changed else before["kept"]
    write_json(memory, {"heads": heads, "kept": kept})
    return finished[kept]
