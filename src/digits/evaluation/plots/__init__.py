"""Draw the figures of a run.

Each module has one function for one figure. It returns a Matplotlib figure, which `figure_style.save_png`
saves as a PNG file:

curves       `curves_figure`: accuracy and loss of each epoch
confusion    `confusion_figure`: confusion matrix with precision and recall
mistakes     `mistakes_figure`: wrongly classified images with the highest confidence
predictions  `predictions_figure`: test images with their most probable classes
first_layer  `first_layer_figure`: weights of the first layer as images
panels       axes that the figures with curves share
"""
