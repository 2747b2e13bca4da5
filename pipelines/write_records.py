"""Writes faces as sharded records: python -m pipelines.write_records --data=DIR --output=RECORDS"""

from absl import app

from pipelines.commands.write_records import define_flags, main

if __name__ == "__main__":
    define_flags()
    app.run(main)
