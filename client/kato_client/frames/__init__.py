"""Answers as DataFrames, and DataFrames to learn; `pandas` and `polars` need the extra so named."""
