"""Files that appear whole, checksums, tensor files, digests, tables, traces and downloads."""
