"""A whole training step of FashionCNN as compiled loops: forward, loss, backward and Adam without TensorFlow.

    primitives    sums held in vector registers, and what threads meet at
    layout        where each variable and each array of numbers lies
    convolutions  the two convolution stages, forward and backward
    dense         the two dense layers, the loss, forward and backward
    step          the stretch of steps that every thread runs
    stretch       the same as the fast loop calls it: variables in, variables out

Pooling passes on the gradient of one place in four and ReLU not all of these: backward multiplies only what
passed, where a dense convolution multiplies the zeros too.
"""
