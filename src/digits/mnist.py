"""The form of MNIST's images: their size, their classes, and how a digit is placed in one.

Source: http://yann.lecun.com/exdb/mnist (kept by the Internet Archive). Each digit was scaled to fit a box
of 20 x 20 pixels, then placed in an image of 28 x 28 so that its centre of mass is in the middle.
"""

SIDE = 28  # px, height and width of an image
PIXELS = SIDE * SIDE  # in an image
BOX = 20  # px, height and width of the box that a digit fits
CLASSES = 10  # number of classes
DIGITS = tuple("0123456789")  # names of the classes 0 to 9
MNIST_MEAN = 0.1307  # mean of all pixels of the 60,000 training images, in [0, 1]
MNIST_STD = 0.3081  # their standard deviation
