"""Speaker diarization engines on recordings whose turns are known, for `scripts/bench audio`.

`audio_env/bin/python -m benchmarks.audio.diarize --engine E SOUND`, run in the repository's folder, prints one JSON
object (`diarize.py` says what is in it).
"""
