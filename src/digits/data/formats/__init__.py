"""Read images and labels from files of several formats.

The files may be damaged or malicious. Each reader limits how much memory it uses, and checks every length
that a file states.

    content           read the bytes of a file, decompressed, up to a limit
    idx, csv, npz     read images and labels in one format
    npy               read one array of an .npz archive
    arrays            check images and labels from any format
"""
