"""What an instance's status, conditions and events say. Pure: no client, no clock."""
