"""Fast tests of model and loops: small data, no GPU, no network."""
