"""What turns raw values into tensors: a module for each kind of value."""
