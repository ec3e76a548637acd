"""What stands behind the ports: chat models and embedders."""
