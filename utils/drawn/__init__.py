"""The embedded data set: cartoon faces and a clip, drawn where they are needed.

`character` paints a face from action units; `dataset` draws the labelled images and a clip.
"""
