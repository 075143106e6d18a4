"""Reading faces in stills, videos and cameras.

`sources` and `camera` give frames, `analyzer` reads the faces of each, `loop` passes
them on to the `sinks`; `stills`, `predict` and the notebook's `panel` build on these.
"""
