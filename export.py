"""Exports a trained network: python export.py --model=runs/faces --output=saved_models/faces"""

from sparseface_tf.programs.export import main

if __name__ == "__main__":
    main()
