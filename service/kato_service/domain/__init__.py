"""The mathematics of the processor: pure functions and values, standard library only."""
