"""What an artifact says of itself: `report.json` for programs, a model card for people."""
