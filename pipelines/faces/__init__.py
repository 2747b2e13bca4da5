"""The face in a photograph: images, landmarks, alignment, regions, augmentation and names."""
