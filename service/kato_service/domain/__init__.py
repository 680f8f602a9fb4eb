"""The mathematics of the processor: standard library only."""
