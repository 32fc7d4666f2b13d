"""TFDS builders of the field's data sets, one a file; `catalogue.CATALOGUE` lists them."""
