"""`vistas doctor`: this machine, what each published model needs of it, and the largest batch that fits."""
