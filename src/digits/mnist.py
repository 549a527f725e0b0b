"""What an MNIST image is: its size, its classes, and how a digit is placed in it.

Source: http://yann.lecun.com/exdb/mnist (kept by the Internet Archive). Each digit was scaled to fit a box
of 20 x 20 pixels, then placed in an image of 28 x 28 so that its centre of mass is in the middle.
"""

SIDE = 28  # px, height and width of an image
PIXELS = SIDE * SIDE
BOX = 20  # px, height and width of the box that holds the digit
CLASSES = 10
DIGITS = tuple("0123456789")  # the names of the classes
MNIST_MEAN = 0.1307  # mean of all training pixels, in [0, 1]
MNIST_STD = 0.3081  # their standard deviation
