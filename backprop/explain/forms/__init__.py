"""The forms of a trace: `text`, `latex`, and `html`, the page in `page/`."""
