"""The nouns of the project: frozen pydantic models that are also its file formats."""
