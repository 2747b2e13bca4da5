"""Runs the comparisons of the papers: python reproduce.py --table=8 --scale=smoke"""

from sparseface_tf.programs.reproduce import main

if __name__ == "__main__":
    main()
