"""Reports on a data set: python -m pipelines.inspect --data=DIR [--test_data=LFW]"""

from absl import app

from pipelines.commands.inspect import define_flags, main

if __name__ == "__main__":
    define_flags()
    app.run(main)
