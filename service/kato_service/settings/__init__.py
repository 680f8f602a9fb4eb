"""The settings of the service: what the environment says, checked and explained."""
