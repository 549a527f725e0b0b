"""The neural networks: how they compute, how they learn, and how they are saved in files.

Networks in PyTorch:
    network           base class: input normalisation, temperature and probabilities
    mlp, cnn          the two kinds of network
    ensemble          several networks whose probabilities are averaged
    upright           removes the slant of digits
    image_check       checks the shape and range of images, for PyTorch and NumPy
    dropout           sets random neurons to zero during training

Learning:
    loss              cross-entropy, label smoothing and distillation
    backpropagation   the gradient of the MLP in explicit formulas
    optimizers        SGD, Adam, AdamW and RMSprop

Files:
    model_file        saves and loads a network with its architecture and meta data
    tensor_file       saves and loads named tensors; used for model files and checkpoints
    file_format       packs and checks the bytes of these files, which are .npz archives
    architecture      checks the description of a network in a model file
    bundled           finds the model file for a name, such as "cnn" or the folder of a run

Inference with NumPy, without PyTorch:
    numpy_inference   loads a model file and predicts
    numpy_layers      the layers
"""
