"""Rule files: data only. This file makes them travel inside the wheel."""
