"""STEP2: every video becomes a constant 25 fps H.264 file with known facts."""
