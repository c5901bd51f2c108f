"""STEP6: the reduced files that the editing scripts read."""
