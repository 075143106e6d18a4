"""What a folder-per-class data set holds, and how it is parted.

`table` finds and counts its images, `splits` parts them by person, `domains` tells people
from drawn characters, and `audit` looks for copies, leaks and blanks. `votes` are what ten
people saw in FER-2013's images, `joined_votes` joins them with these, and `corrections` keeps
labels that a person has changed. `takes` are one person's own recordings.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "audit": ["audit_images", "images_also_in_train"],
        "corrections": ["save_corrections"],
        "domains": ["rows_by_domain"],
        "splits": ["split_table"],
        "table": [
            *("balanced_subset", "balanced_train", "class_order", "combine", "count_classes"),
            *("find_images", "judging_part", "margin_of", "split_of"),
        ],
        "takes": ["find_takes"],
        "joined_votes": ["votes_of", "with_votes", "write_votes"],
        "votes": ["VOTE_NAMES", "clear_majority", "read_votes", "shares"],
    },
)
