"""A whole training step of FashionCNN as compiled loops: forward, loss, backward and Adam without TensorFlow.

    pointers         arrays as compiled functions take them
    kernels          functions that only compiled functions call, compiled as one
    tiles            sums held in vector registers
    threads          where threads meet
    denormals        denormal numbers as 0
    vectors          vectors of floats as values
    layout           where each variable and each array of numbers lies
    first_stage      the first convolution stage, forward and backward
    windows          which windows of the second are computed, and which are copies
    second_stage     the second convolution stage, forward
    second_backward  and backward
    dense            the two dense layers, the loss, forward and backward
    update           Adam, and copies of kernels as they are read
    step             all steps of a call, as every thread runs them
    build            compiles it ahead, in a process of its own
    packing          variables in flat arrays, a batch in parts
    variables        the model's variables, read and written
    runner           steps as the fast loop calls them
    validation       forward passes alone

Pooling passes on the gradient of one place in four: backward multiplies only these, where a dense convolution
multiplies the zeros too. The gradient of the second stage's input also skips what ReLU has stopped.
"""
