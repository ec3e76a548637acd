"""The formats that trajectories leave in."""
