"""What the command line and, later, the dashboard do; no web framework in here."""
