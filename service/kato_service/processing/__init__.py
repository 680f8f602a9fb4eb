"""Observe, learn and predict on a session state handed in; no per-user state is kept here."""
