"""What the cells of a row stand for."""
