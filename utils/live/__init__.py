"""Reading faces in stills, videos and cameras.

`sources` and `camera` give frames, `analyzer` reads the faces of each, `loop` passes the
`results` on to the `sinks`; `stills`, `predict` and the notebook's `panel` build on these.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "analyzer": ["FaceAnalyzer"],
        "camera": ["CameraUnavailable", "LiveCamera"],
        "dask_reading": ["read_many"],
        "loop": ["annotate_video", "read_live"],
        "overlay": ["draw_faces"],
        "panel": ["LivePanel"],
        "predict": ["read_sources"],
        "recording": ["GuidedRound", "TakeRecorder"],
        "recordings": ["delete_person", "pack_person"],
        "sinks": ["CsvSink", "NotebookSink", "Sink", "VideoSink", "WindowSink"],
        "sources": ["open_source"],
        "stills": ["read_stills"],
        "video_file": ["VideoFile"],
    },
)
