"""The parts of the fetch window; read `../fetch_window.py` first, `downloads.py`, `window.py`."""
