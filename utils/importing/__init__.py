"""Downloads of labelled images, sorted into a folder per class.

`importer` does it: `archives` lists the files, `formats` recognises their layout, `writing`
puts each where it belongs, and `report` tells what was done.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"importer": ["import_dataset"], "report": ["ImportReport"]}
)
