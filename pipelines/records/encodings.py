"""How records keep images."""

# What is near each face, encoded anew; or the files as they are.
ENCODINGS = ("faces", "original")
