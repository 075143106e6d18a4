"""Images, and the faces in them, with OpenCV alone.

`images` reads and checks, `haar` and `yunet` find faces (`detectors` makes either by its name),
`boxes` and `tracking` follow them, and `preprocessing` makes of a face what a network takes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "detectors": ["make_detector"],
        "haar": ["FaceDetector"],
        "images": ["open_image", "read_image"],
        "preprocessing": ["Preprocessing", "prepare", "prepare_faces"],
        "yunet": ["YuNetDetector"],
    },
)
