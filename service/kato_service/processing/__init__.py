"""The processor: plans what each verb does to a session; keeps no state of sessions itself."""
