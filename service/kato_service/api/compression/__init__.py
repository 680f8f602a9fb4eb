"""Answers in a content coding that the client accepts (decision 0067)."""
