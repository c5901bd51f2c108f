"""What the web process needs besides the store: who may ask, what is told as it happens."""
