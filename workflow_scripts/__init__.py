"""The steps of the video analysis pipeline and the framework they share."""
