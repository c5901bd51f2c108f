"""Looking closer at what the steps wrote. `debug/` of the data folder also takes logs for the same purpose."""
