"""Find data sets, read them, and turn them into batches for training.

Find and read a data set
    loading           find a data set: in local files, in the cache, on a mirror, or as a sample
    local_files       read a data set from a folder or a file
    formats           one module for each file format, and the check of all arrays
    catalogue         the published data sets: files, SHA-256 digests, mirrors, class names
    download, https   download a published file from its mirrors
    cache             the folder for downloaded files
    sample            5,000 MNIST digits, used if no mirror can be reached
    appearance        invert and turn images, and notice dark ink on light paper
    writers           the writer of each MNIST training image

Make batches from a data set
    collection        a data set before it is split
    dataset           images with labels, as a PyTorch Dataset
    splits            training, validation and test images
    sketch            recognise images that a network has seen
    batches           the batches of each epoch
    augmentation      random changes to the images of a batch

Draw digits from pen strokes
    pen               draw pen strokes as an image in MNIST's form
    synthetic         draw random digits
    digit_styles      the styles in which people write each digit
"""
