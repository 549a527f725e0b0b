"""Networks: what they compute, how they learn, and the files that hold them.

What a network computes, with PyTorch
    network           what every network has: input normalisation, temperature, probabilities
    mlp, cnn          the two kinds of network
    ensemble          several networks whose probabilities are averaged
    upright, dropout  parts of a network: removing the slant of digits, silencing neurons in training

How a network learns
    loss              cross-entropy, label smoothing and distillation
    backpropagation   the gradient of the MLP, written out
    optimizers        SGD, Adam, AdamW and RMSprop

What a model file holds
    bundled           the networks that come with the package; which file a model's name means
    model_file        save and load a network with its architecture and meta data
    tensor_file       save and load named tensors: model files and checkpoints
    file_format       the bytes of both: a checked .npz archive
    architecture      the description of a network in a model file

What a network computes, without PyTorch
    numpy_inference   load a model file and predict
    numpy_layers      the layers
"""
