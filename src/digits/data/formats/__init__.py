"""File formats: each reader returns arrays, and trusts nothing that a file says about itself.

content           the bytes of a file, decompressed, with a limit
idx, csv, npz     images and labels in files of each format
npy               one array, as in an .npz archive
arrays            the check that all images and labels pass
"""
