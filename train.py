"""Trains a sparse ConvNet: python train.py --flagfile=flags/stage3.cfg"""

from sparseface_tf.programs.train import main

if __name__ == "__main__":
    main()
