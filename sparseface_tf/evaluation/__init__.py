"""Evaluation as the papers do it: a module for each protocol, with its reader and its numbers.

A reader gives the test, whose `images` say of which images features are needed, and an evaluator
the numbers from those features and a scorer: an object with `score_pairs(a, b)`, features (n, d)
and (n, d) -> (n,), and `score_matrix(a, b)`, (n, d) and (m, d) -> (n, m), higher for more alike.
Results are dataclasses of numbers, strings and tuples, for `dataclasses.asdict` and JSON.

* `pairs`, `lfw`: lists of pairs; View 1 and View 2 of LFW.
* `identification`: closed and open set on LFW.
* `blufr`: BLUFR. `ytf`: YouTube Faces. `ijba`: IJB-A, 1:1 and 1:N.
* `metrics`, `search`: the rates that they share.
"""
