"""Facial expression recognition: the code that both notebooks share."""
