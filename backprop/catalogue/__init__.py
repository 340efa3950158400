"""What a network can be made of, each declared once: activations, losses, optimizers, scores."""
