"""One module for each table or figure of the paper, and one for the poster's."""

from sparseface_tf.named import Later

# By name as of --table, in the paper's order.
TABLES = {
    name: Later(f"{__name__}.{module}", kind)
    for name, module, kind in (
        ("3", "structures", "Structures"),
        ("4", "trade_off", "TradeOff"),
        ("5", "selection", "Selection"),
        ("6", "complementarity", "Complementarity"),
        ("7", "initialisation", "Initialisation"),
        ("8", "criteria", "Criteria"),
        ("9", "ijba", "IJBA"),
        ("figure1", "ranks", "Ranks"),
        ("ensemble", "ensemble", "Ensemble"),
        ("poster", "poster", "Poster"),
    )
}
