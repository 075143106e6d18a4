"""What a layout says about a source: which images it has, and what they show."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Reject = Callable[[str, str], None]
"""Called with a path in the source and the reason ("kind" or "kind: detail")."""


@dataclass(frozen=True)
class Entry:
    """An image that a layout found.

    Attributes:
        source: its path in the source.
        label: what the source calls the class.
        split: one of `SPLITS`; "all" where the set is to be parted by subject later;
            "" where the source does not tell, and the importer may cut.
        name: what to call its file.
        read: gives the bytes of an image file; raises ValueError if damaged.
        subject: who is on it, "" if unknown.
    """

    source: str
    label: str
    split: str
    name: str
    read: Callable[[], bytes]
    subject: str = ""


@dataclass(frozen=True)
class Layout:
    """What a layout function found: a stream of entries, and what to expect of it.

    Attributes:
        entries: the images, each read only when its turn comes.
        labels: classes that must not turn out empty.
        total: number of entries, if known.
        recognised: images of the source that are named as this layout names them.
        dataset: name of the published data set, "" if it is none.
        domain: "people" or "animated", "" if the layout does not tell.
        expected: published images per split and class, empty if unknown.
        named: file names tell class and identity. So a second image of the same
            name is a copy, whatever its format, and since such a set holds more than
            was asked for, only the seven expressions are taken unless others are named.
        hint: what else the source could be taken for, in a sentence, "" if nothing.
    """

    entries: Iterator[Entry]
    labels: frozenset[str] = frozenset()
    total: int | None = None
    recognised: int = 0
    dataset: str = ""
    domain: str = ""
    expected: dict[str, dict[str, int]] = field(default_factory=dict)
    named: bool = False
    hint: str = ""
