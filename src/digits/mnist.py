"""Constants of the MNIST data set: the size, the classes and the pixel values of its images.

MNIST's authors scaled each digit to fit a box of 20 x 20 pixels. Then they placed it in an image of 28 x 28
pixels, with the digit's centre of mass in the middle of the image.
Source: http://yann.lecun.com/exdb/mnist (a copy is in the Internet Archive).
"""

SIDE = 28  # pixels; height and width of an image
PIXELS = SIDE * SIDE  # number of pixels in an image
BOX = 20  # pixels; height and width of the box that each digit was scaled to fit
CLASSES = 10  # number of classes
DIGITS = tuple("0123456789")  # names of the classes 0 to 9
MNIST_MEAN = 0.1307  # mean of all pixels of the 60,000 training images; pixels are in [0, 1]
MNIST_STD = 0.3081  # standard deviation of the same pixels
