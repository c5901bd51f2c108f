"""STEP5: where the faces are and which of them speaks."""
