"""The embedded data set: cartoon faces and a clip, drawn where they are needed.

`face_painting` paints a face from action units, `random_face` someone new with an expression;
`dataset` draws labelled images, and `clip` a video.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "clip": ["clip_frames", "clip_timeline", "draw_clip"],
        "dataset": ["draw_dataset"],
    },
)
