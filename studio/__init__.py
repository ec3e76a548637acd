"""The Streamlit app: thin views that read a widget, call the engine and draw."""
