"""Images, and the faces in them, with OpenCV alone.

`images` reads and checks, `haar` and `yunet` find faces, `tracking` follows them, and
`preprocessing` makes of a face what a network takes.
"""
