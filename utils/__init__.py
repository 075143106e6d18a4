"""Facial expression recognition: the code that both notebooks share, in seven rooms."""
