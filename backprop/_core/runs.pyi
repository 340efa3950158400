"""What a team runs beside training: nothing that Python sees."""
