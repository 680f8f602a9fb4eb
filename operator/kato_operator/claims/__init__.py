"""Who may write: one process per installation, and one installation per instance."""
