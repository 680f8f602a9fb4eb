"""What one process keeps of one log, and how it stays true while other processes write."""
