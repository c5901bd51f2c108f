"""STEP4: where there is speech and who speaks when."""
