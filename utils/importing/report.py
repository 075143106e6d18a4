"""What an import did, as a person reads it."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from utils.datasets.joined_votes import votes_beside
from utils.datasets.table import count_classes


@dataclass(frozen=True)
class ImportReport:
    """What an import did; print it, or leave it at the end of a notebook cell.

    Attributes:
        destination: the folder-per-class data set.
        counts: images per class (rows) and split (columns), with totals.
        expected: the same table as published, or None where there is none.
        rejected: ``source`` and ``reason`` of everything that was left out.
        notes: what was decided on the way, in sentences.
        dataset: name of the published data set, "" if it is none.
    """

    destination: Path
    counts: pd.DataFrame
    expected: pd.DataFrame | None
    rejected: pd.DataFrame
    notes: tuple[str, ...]
    dataset: str = ""

    def __str__(self) -> str:
        name = self.destination.resolve().name
        lines = [f"Images in {name}", self.counts.to_string(), *self._remarks()]
        return "\n".join(lines)

    __repr__ = __str__  # what a notebook keeps beside the table

    def _repr_html_(self) -> str:
        remarks = "".join(f"<li>{remark}</li>" for remark in self._remarks())
        return f"{self.counts.to_html()}<ul>{remarks}</ul>"

    def _remarks(self) -> list[str]:
        remarks = list(self.notes)
        if self.expected is not None:
            difference = (self.counts - self.expected).iloc[:-1, :-1].stack()  # but the totals
            cells = (
                f"{name}{'' if part == 'all' else f' in {part}'} {count:+d}"
                for (name, part), count in difference[difference != 0].items()
            )
            published = f"those published for {self.dataset}"
            remarks.insert(
                0,
                f"The counts are {published}."
                if not difference.any()
                else f"The counts differ from {published}: {', '.join(cells)}.",
            )
        kinds = self.rejected["reason"].str.split(":").str[0].value_counts()
        what = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        remarks.append(f"Left out: {what} (see rejected.csv)." if what else "Nothing left out.")
        return remarks


def read_report(folder: Path) -> ImportReport:
    """The report of a finished import, from the tables it wrote."""
    done = json.loads((folder / "import.json").read_text(encoding="utf-8"))
    manifest, rejected = (
        pd.read_csv(folder / name, dtype=str, keep_default_na=False)
        for name in ("manifest.csv", "rejected.csv")
    )
    counts = count_classes(manifest.assign(split=manifest["file"].str.split("/").str[0]))
    expected = None
    if done.get("expected"):
        expected = pd.DataFrame(done["expected"])
        expected = expected.reindex(index=counts.index[:-1], columns=counts.columns[:-1])
        expected = expected.fillna(0).astype(int)
        expected["total"] = expected.sum(axis=1)
        expected.loc["total"] = expected.sum()
        expected.index.name = "class"
    notes = (*done["notes"], *_about_votes(folder, manifest))
    return ImportReport(folder, counts, expected, rejected, notes, done.get("dataset", ""))


def _about_votes(folder: Path, manifest: pd.DataFrame) -> tuple[str, ...]:
    votes = votes_beside(folder)
    if votes is None:
        return ()
    without = len(manifest) - len(votes)
    told = f"Votes of ten people: for {len(votes):,} images (votes.csv)"
    return (f"{told}; {without:,} have no row in FER+." if without else f"{told}, which are all.",)
