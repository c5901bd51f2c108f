"""Recognisers of speech on recordings whose words are known, for `scripts/bench transcripts`.

`audio_env/bin/python -m benchmarks.transcripts.recognise --way W SOUND …`, run in the repository's folder, prints
one JSON object per sound; `bench_env/bin/python -m benchmarks.transcripts.score FILE` compares texts.
"""
