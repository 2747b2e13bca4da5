"""Trained networks as files that other programs run: TFLite for phones, SavedModel for servers."""
