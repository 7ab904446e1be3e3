"""The download window; read `app.py` first, then `download.py` and `window.py`."""
