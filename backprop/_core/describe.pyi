"""What a layer is; nothing here is for Python."""
