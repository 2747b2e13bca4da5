"""What is in a folder of faces, and what of it should be left out of training."""
