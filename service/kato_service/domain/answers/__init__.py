"""What answers tell in addition to predictions, as plain values."""
