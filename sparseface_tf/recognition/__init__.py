"""Recognising faces in photographs: who is in them, and are two of the same person.

* `Recogniser`: what recognize.py does, from the settings of a `Recognition`.
* `PeopleGallery`: people with the features of their faces, in one file.
* `Search`: who faces are, of `Templates` of people, by a `Rule`: a `Match` each.
* `learn_scorings`, `write_scorings`, `read_scorings`: `Scoring`s, a scorer each and what its scores
  mean, `Calibration`s.
* `photos`: photographs and the faces in them. `annotation`: boxes and names drawn into them.
"""

from sparseface_tf.recognition.calibration import Calibration
from sparseface_tf.recognition.commands import Recogniser
from sparseface_tf.recognition.learning import learn_scorings
from sparseface_tf.recognition.people import PeopleGallery
from sparseface_tf.recognition.scoring import Scoring, read_scorings, write_scorings
from sparseface_tf.recognition.search import Border, Match, Rule, Search
from sparseface_tf.recognition.settings import Recognition
from sparseface_tf.recognition.templates import Templates

__all__ = [
    "Border",
    "Calibration",
    "Match",
    "PeopleGallery",
    "Recogniser",
    "Recognition",
    "Rule",
    "Scoring",
    "Search",
    "Templates",
    "learn_scorings",
    "read_scorings",
    "write_scorings",
]
