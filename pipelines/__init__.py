"""tf.data sources of faces: reading, aligning, cropping, pairing."""
