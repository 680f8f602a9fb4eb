"""Questions without a session (decision 0066)."""
