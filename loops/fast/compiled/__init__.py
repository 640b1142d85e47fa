"""A whole training step of FashionCNN as compiled loops: forward, loss, backward and Adam without TensorFlow.

    pointers         arrays as compiled functions take them
    kernels          functions that only compiled functions call, compiled as one
    primitives       sums held in vector registers, and where threads wait for each other
    vectors          vectors of floats as values
    layout           where each variable and each array of numbers lies
    first_stage      the first convolution stage, forward and backward
    windows          which windows of the second are computed, and which are copies
    second_stage     the second convolution stage, forward
    second_backward  and backward
    dense            the two dense layers, the loss, forward and backward
    update           Adam, and copies of kernels as they are read
    step             all steps of a call, as every thread runs them
    runner           the same as the fast loop calls it: variables in, variables out

Pooling passes on the gradient of one place in four and ReLU not all of these: backward multiplies only the
gradients that were passed on, where a dense convolution multiplies the zeros too.
"""
