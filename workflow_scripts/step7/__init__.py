"""STEP7: verified delivery of the results."""
