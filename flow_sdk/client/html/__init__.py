"""What a notebook shows of client objects: ``elements`` are escaped parts, ``views`` one view for each class."""
