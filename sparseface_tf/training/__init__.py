"""The learning algorithm of Table 2: settings, stages, and what a run leaves."""
