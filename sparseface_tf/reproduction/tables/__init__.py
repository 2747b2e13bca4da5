"""One module for each table or figure of the paper, and one for the poster's."""

from sparseface_tf.reproduction.tables.complementarity import Complementarity
from sparseface_tf.reproduction.tables.criteria import Criteria
from sparseface_tf.reproduction.tables.ensemble import Ensemble
from sparseface_tf.reproduction.tables.ijba import IJBA
from sparseface_tf.reproduction.tables.initialisation import Initialisation
from sparseface_tf.reproduction.tables.poster import Poster
from sparseface_tf.reproduction.tables.ranks import Ranks
from sparseface_tf.reproduction.tables.selection import Selection
from sparseface_tf.reproduction.tables.structures import Structures
from sparseface_tf.reproduction.tables.trade_off import TradeOff

TABLES = {
    table.name: table
    for table in (
        *(Structures, TradeOff, Selection, Complementarity, Initialisation, Criteria, IJBA),
        *(Ranks, Ensemble, Poster),
    )
}
