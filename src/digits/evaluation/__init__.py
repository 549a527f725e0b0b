"""Evaluation: how well a network classifies a set of images.

saved_models  evaluate and compare saved networks: `digits.evaluate`, `digits.compare`
logits        compute a network's logits for many images
metrics       accuracy, loss, confusion matrix, precision and recall
intervals     confidence interval of an accuracy
calibration   expected calibration error and temperature scaling
comparison    McNemar's test: is one of two networks better?
epoch         loss and accuracy of one training epoch
options       options of `digits evaluate` and `digits compare`
plots         figures: learning curves, confusion matrix, mistakes, predictions, first layer
"""
