"""A whole training step of FashionCNN as compiled loops: forward, loss, backward and Adam without TensorFlow.

    primitives    sums held in vector registers, and where threads wait for each other
    layout        where each variable and each array of numbers lies
    convolutions  the two convolution stages, forward and backward
    dense         the two dense layers, the loss, forward and backward
    step          all steps of a call, as every thread runs them
    runner        the same as the fast loop calls it: variables in, variables out

Pooling passes on the gradient of one place in four and ReLU not all of these: backward multiplies only the
gradients that were passed on, where a dense convolution multiplies the zeros too.
"""
