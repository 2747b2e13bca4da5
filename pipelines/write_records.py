"""Writes faces as sharded records: python -m pipelines.write_records --data=DIR --output=RECORDS"""

from pipelines.commands.write_records import main

if __name__ == "__main__":
    main()
