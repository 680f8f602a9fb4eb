"""What the models of settings, requests and answers have in common."""
