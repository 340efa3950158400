"""Parameters beside a layer's product: what operations share; nothing here is for Python."""
