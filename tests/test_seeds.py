"""Seeds of stages."""

from sparseface_tf.training.seeds import NEW_WEIGHTS, SELECTION, of_stage


def test_no_stage_of_a_run_has_the_random_numbers_of_another():
    uses = [(seed, stage, use) for seed in (*range(50), 1000, 2000) for stage in range(20) for use in (0, 1)]
    found = {of_stage(*one) for one in uses}
    assert len(found) == len(uses)
    assert all(0 <= seed < 2**31 for seed in found)
    # What the sums of before did not tell apart.
    assert of_stage(0, 1000, NEW_WEIGHTS) != of_stage(1, 0, NEW_WEIGHTS)
    assert of_stage(0, 2, SELECTION) != of_stage(1, 1, SELECTION)
