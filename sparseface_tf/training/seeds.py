"""The random numbers of a stage, apart from those of other stages and of runs with other seeds."""

import numpy as np

SELECTION, NEW_WEIGHTS = 0, 1


def of_stage(seed: int, stage: int, use: int) -> int:
    """The seed of one use of random numbers in one stage.

    Sums such as seed + stage give the stages of one run the numbers of another run's; a
    `numpy.random.SeedSequence` of all three does not.

    Args:
        seed: of the run, >= 0.
        stage: number of the stage, >= 0.
        use: SELECTION or NEW_WEIGHTS.

    Returns:
        An int in [0, 2**31).
    """
    return int(np.random.SeedSequence([seed, stage, use]).generate_state(1)[0] >> 1)
