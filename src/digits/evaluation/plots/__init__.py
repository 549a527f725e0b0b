"""Figures of a run: one function per figure returns a Matplotlib figure, `figure_style.save_png` saves it."""
