"""Python programs started from a process that has imported what takes seconds to import.

It imports packages of others only, unless a test asks for more, and is forked for each program: that
imports its own modules, has its own command line and ends as one that a user started. Programs are
also started for real in test_programs.py, test_train.py and test_wheel.py.
"""

import atexit
import gc
import json
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(__file__).parent.parent
# What most programs import.
USUAL = "import keras, matplotlib.pyplot, scipy.stats, sklearn.decomposition, tensorflow"


class Forks:
    """Starts programs; a context that ends the process which is forked.

    Args:
        imports: code that the process runs once.
        **environment: variables that it gets besides those of this process.
    """

    def __init__(self, imports=USUAL, **environment):
        self._process = subprocess.Popen(
            [sys.executable, __file__, imports],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(60)

    def __call__(self, *words, cwd=ROOT, path=(), text=""):
        """Runs a program to its end.

        Args:
            *words: what stands behind "python" on its command line.
            cwd: the folder to run it in.
            path: folders to find modules in, before all others.
            text: its standard input.

        Returns:
            (exit status, standard output, standard error).
        """
        with tempfile.TemporaryDirectory(prefix="fork") as folder:
            pathlib.Path(folder, "0").write_text(text, encoding="utf-8")
            job = {"words": [*map(str, words)], "cwd": str(cwd), "path": [*map(str, path)]}
            print(json.dumps(job | {"streams": folder}), file=self._process.stdin, flush=True)
            code = int(self._process.stdout.readline())
            files = (pathlib.Path(folder, name) for name in "12")
            return code, *(file.read_text(encoding="utf-8") for file in files)


def start(words, cwd, path, streams):
    """Runs a program in this process, as Python runs its main module."""
    for stream, mode in enumerate((os.O_RDONLY, os.O_CREAT | os.O_WRONLY, os.O_CREAT | os.O_WRONLY)):
        os.dup2(os.open(f"{streams}/{stream}", mode), stream)
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    os.chdir(cwd)
    sys.path[:0] = path
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path.insert(0, os.path.dirname(os.path.abspath(words[0])))
        runpy.run_path(words[0], run_name="__main__")


def end(program, **arguments):
    """Ends this process as Python ends when a program has run, without freeing all memory first."""
    code = 0
    try:
        program(**arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if code and not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def serve():
    """Forks this process for each line of standard input, and answers with exit statuses."""
    # This folder, of the tests, is on no program's path.
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    exec(sys.argv[1], {})
    gc.freeze()  # looking for garbage would copy all memory
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if not child:
            end(start, **json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
