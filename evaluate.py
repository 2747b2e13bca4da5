"""Evaluates trained networks: python evaluate.py --model=runs/faces --protocol=lfw --data=DIR"""

from sparseface_tf.programs.evaluate import main

if __name__ == "__main__":
    main()
