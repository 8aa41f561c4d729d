"""The mistakes that the catalogue promises to recognise, and where they change nothing."""

IDS = {
    "missing-activation-derivative",
    "derivative-of-output",
    "derivative-of-masked-output",
    "missing-dropout-mask",
    "missing-mask-in-W2",
    "unscaled-mask",
    "mask-applied-twice",
    "fresh-mask",
    "sum-instead-of-mean",
    "mean-twice",
    "wrong-sign",
    "missing-label",
    "softmax-twice",
    "extra-softmax-jacobian",
    "squared-error-gradient",
    "missing-row-weights",
    "row-weights-applied-twice",
    "row-weights-over-their-sum",
    "missing-label-smoothing",
    "label-smoothing-on-top",
    "label-smoothing-on-other-classes",
    "bias-mean",
    "missing-weight-decay",
    "double-weight-decay",
    "bias-weight-decay",
    "zero-gradient",
    "transposed",
    "one-row-only",
}

# For each activation, the mistakes that leave every gradient as it is.
IDLE: dict[str, set[str]] = {
    "relu": {"derivative-of-output", "derivative-of-masked-output"},
    "tanh": set(),
    "logistic": set(),
    "identity": {
        "missing-activation-derivative",
        "derivative-of-output",
        "derivative-of-masked-output",
    },
}
