"""The views, one file a page: thin, each reads a widget, calls the engine and draws."""
