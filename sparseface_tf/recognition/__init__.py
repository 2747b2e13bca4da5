"""Recognising faces in photographs: who is in them, and are two of the same person."""
