"""Pairs and batches of training and testing, each a pure function of seed and step."""
