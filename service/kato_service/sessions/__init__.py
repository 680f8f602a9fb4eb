"""Sessions: lifecycle, exclusive access, their stores."""
