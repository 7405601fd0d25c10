"""Label vectors and label trees made of documents."""
