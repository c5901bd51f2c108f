"""What `scripts/bench` measures: cuts, speakers and memory against what is known, side by side in one run."""
