"""Downloads of labelled images, sorted into a folder per class.

`importer` does it: `archives` lists the files, `formats` recognises their layout, `writing`
puts each where it belongs, and `report` tells what was done.
"""
