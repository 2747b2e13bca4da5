"""The child process of litert.py: a TFLite file by LiteRT alone.

    python litert_worker.py FOLDER JOB

reads model.tflite in the folder. Job {"task": "run"} embeds images.npy into features.npy; job
{"task": "time", "threads": 1, "seconds": 3} prints the time of one image and the memory it takes;
job {"task": "parts", "count": 5, "seconds": 3} prints the fastest run of each of the files
part0.tflite … part4.tflite. Needs ai-edge-litert and NumPy.
"""

import json
import os
import resource
import statistics
import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def embed(path, folder):
    run = Interpreter(model_path=path, num_threads=1).get_signature_runner()
    images = np.load(os.path.join(folder, "images.npy"), allow_pickle=False)
    features = [run(image=image[None])["embedding"] for image in images]
    np.save(os.path.join(folder, "features.npy"), np.concatenate(features).astype(np.float32))


def ready(path, threads):
    """The interpreter of a file, with something in its inputs, warm."""
    interpreter = Interpreter(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    generator = np.random.default_rng(0)
    for entry in interpreter.get_input_details():
        image = generator.uniform(-1, 1, entry["shape"])
        if entry["dtype"] != np.float32:
            image = image * 127 + 128 * (entry["dtype"] == np.uint8)
        interpreter.set_tensor(entry["index"], image.astype(entry["dtype"]))
    for _ in range(3):
        interpreter.invoke()
    return interpreter


def measure_parts(folder, count, seconds):
    """Milliseconds of files that are run in turn, so that what slows one slows all."""
    parts = [ready(os.path.join(folder, f"part{k}.tflite"), 1) for k in range(count)]
    fastest, end, rounds = [float("inf")] * count, time.perf_counter() + seconds, 0
    while rounds < 5 or time.perf_counter() < end:
        for k, part in enumerate(parts):
            start = time.perf_counter()
            part.invoke()
            fastest[k] = min(fastest[k], 1e3 * (time.perf_counter() - start))
        rounds += 1
    return fastest


def measure(path, threads, seconds):
    before = peak_memory()
    interpreter = ready(path, threads)
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        interpreter.invoke()
        times.append(time.perf_counter() - start)
    return {
        "milliseconds": 1e3 * statistics.median(times),
        "fastest": 1e3 * min(times),
        "runs": len(times),
        "peak_memory": peak_memory() - before,
    }


def peak_memory():
    """The most memory that the process has had, in bytes."""
    try:
        # Linux counts what the process had before it became this program into ru_maxrss.
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    # Kilobytes, but for macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main(folder, job):
    job = json.loads(job)
    path = os.path.join(folder, "model.tflite")
    if job["task"] == "run":
        embed(path, folder)
    elif job["task"] == "parts":
        print(json.dumps(measure_parts(folder, job["count"], job["seconds"])))
    else:
        print(json.dumps(measure(path, job["threads"], job["seconds"])))


if __name__ == "__main__":
    main(*sys.argv[1:])
