"""Where videos come from: files of the user's, and clips made on the spot."""
