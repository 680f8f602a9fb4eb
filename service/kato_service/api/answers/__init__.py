"""Answers with predictions: what requests ask for, and how it is told."""
