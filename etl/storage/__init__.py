"""Files in a folder that only the job's user may read, and the address of a bucket of an S3-compatible store."""
