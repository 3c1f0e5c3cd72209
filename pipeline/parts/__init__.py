"""What tasks are made of: what several share, and what would make one of them long."""
