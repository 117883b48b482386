"""Places of internet addresses from files in MaxMind's format."""
