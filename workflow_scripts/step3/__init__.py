"""STEP3: where the shots are (TransNetV2)."""
