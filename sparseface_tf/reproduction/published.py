"""The paper's figures, whose accuracies are of LFW with Joint Bayesian, and the poster's."""

# Table 3: sparse structure -> (accuracy, compression ratio).
TABLE_3 = {
    (): (0.9895, 1),
    ("1/256-f",): (0.9898, 0.96),
    ("1/256-f", "1/128-5b"): (0.9923, 0.76),
    ("1/256-f", "1/128-5b", "1/2-4b"): (0.9930, 0.74),
    ("1/256-f", "1/128-5b", "1/2-5a"): (0.9922, 0.43),
    ("1/256-f", "1/128-5b", "1/32-5a"): (0.9898, 0.12),
}

# Sec. 3: a single DeepID2+ on the whole face.
DEEPID2PLUS = 0.9870

# Table 4: S of 5a behind 1/256-f 1/128-5b -> (compression ratio, accuracy).
TABLE_4 = {
    "1": (0.76, 0.9923),
    "1/2": (0.43, 0.9922),
    "1/4": (0.26, 0.9918),
    "1/8": (0.18, 0.9908),
    "1/16": (0.14, 0.9890),
    "1/32": (0.12, 0.9898),
}

# Table 5: last stage -> selection -> (accuracy, mean |r| before, after); None where it has none.
TABLE_5 = {
    "1/256-f": {
        "λ = 0.75": (0.9898, 0.147, 0.494),
        "random": (0.9893, 0.114, 0.511),
        "highest": (0.9893, None, None),
    },
    "1/128-5b": {
        "λ = 0.75": (0.9923, 0.120, 0.275),
        "random": (0.9910, 0.089, 0.272),
        "highest": (0.9902, None, None),
    },
    "1/2-4b": {
        "λ = 0.75": (0.9930, 0.075, 0.079),
        "random": (0.9922, 0.067, 0.073),
        "highest": (0.9925, None, None),
    },
}

# Table 6: mean correlation among the inputs kept by a common neuron of 5b.
TABLE_6 = {"highest": 0.0914, "λ = 0.75": 0.0860, "random": 0.0820}

# Table 7: last stage -> whether pre-trained -> (accuracy, error on the training set).
TABLE_7 = {
    "1/256-f": {True: (0.9898, 0.0207), False: (0.9887, 0.0229)},
    "1/128-5b": {True: (0.9923, 0.0302), False: (0.9845, 0.0423)},
    "1/2-4b": {True: (0.9930, 0.0299), False: (0.9833, 0.0463)},
}

# Table 8: last stage -> criterion -> accuracy.
TABLE_8 = {
    "1/256-f": {"obd": 0.9905, "magnitude": 0.9888, "brp": 0.9863, "correlation": 0.9898},
    "1/128-5b": {"obd": 0.9903, "magnitude": 0.9912, "brp": 0.9902, "correlation": 0.9923},
    "1/2-4b": {"obd": 0.9920, "magnitude": 0.9925, "brp": 0.9913, "correlation": 0.9930},
}

# Table 9: network -> TAR at FAR 0.1, 0.01, 0.001 on IJB-A.
TABLE_9 = {"dense": (0.915, 0.694, 0.445), "sparse": (0.927, 0.726, 0.460)}

# Sec. 5.5: of 25 networks. Gains in mean accuracy by 1/256-f, 1/128-5b and 1/2-4b.
ENSEMBLE = {
    "mean of single networks": {"dense": 0.9726, "sparse": 0.9766},
    "gains": (0.0018, 0.0017, 0.0005),
    "joined": 0.9955,
    "closed-set rank 1": 0.962,
    "open-set rank 1 at 1 % false alarms": 0.864,
    "YTF, joined": 0.935,
}

# The poster: network -> (accuracy of classification, multiply-adds in G, parameters in M).
POSTER = {
    "VGG-16": (0.8628, 24.71, 15.91),
    "MobileNet": (0.6531, 5.73, 5.62),
    "SqueezeNet": (0.5956, 0.861, 1.75),
    "nearest centre": (0.8405, 7.30, 4.05),
    "100 %": (0.8638, 6.87, 4.05),
    "75 %": (0.8140, 3.84, 2.28),
    "50 %": (0.7847, 1.68, 1.01),
}
