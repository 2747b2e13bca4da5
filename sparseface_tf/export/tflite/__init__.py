"""TFLite files, their sparse weights computed with as such.

`build` makes a file of a network, with its layers lowered to what LiteRT computes sparse.
"""
