"""What the page of one video shows: its artifacts, indexed so that an hour of them opens at once."""
