"""Measure how well a network classifies images.

saved_models  evaluates one saved network or compares two: `digits.evaluate`, `digits.compare`
held_out      finds a network's test images again, and refuses images that it was trained on
orientation   notices images that a network reads far better inverted or turned
logits        computes a network's logits for many images
metrics       computes accuracy, loss, confusion matrix, precision and recall from logits and labels
intervals     computes the confidence interval of an accuracy
calibration   computes the calibration error, and the temperature that makes it small
comparison    tests whether one of two networks is better than the other (McNemar's test)
epoch         holds the loss and the accuracy of one training epoch
options       options of `digits evaluate` and `digits compare`
plots         draws learning curves, confusion matrix, mistakes, predictions and first layer
"""
