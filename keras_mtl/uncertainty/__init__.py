"""How sure predictions are, whether they may be, and what makes them so: arithmetic on labels and predictions."""
