"""Data: where images come from, how they are read, and how they become batches.

Finding and reading a data set
    loading           find a data set: in files, the cache, on a mirror, or as a sample
    local_files       read it from a folder or a file
    formats           one module a file format, and the check that all arrays pass
    catalogue         the published data sets: files, digests, mirrors, class names
    download, https   get a published file from its mirrors
    cache             the folder of downloaded files
    sample            5,000 digits, for when no mirror can be reached
    writers           who wrote which MNIST image

From a data set to batches
    collection        a data set as it was found
    dataset           images with labels, as a PyTorch Dataset
    splits            training, validation and test images
    batches           an epoch in batches
    augmentation      change a batch as other people might have written it

Digits from strokes
    pen               draw strokes as an image in MNIST's form
    synthetic         draw digits in code
    digit_styles      the styles in which they are drawn
"""
