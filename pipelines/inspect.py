"""Reports on a data set: python -m pipelines.inspect --data=DIR [--test_data=LFW]"""

from pipelines.commands.inspect import main

if __name__ == "__main__":
    main()
