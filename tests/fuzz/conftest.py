"""The fuzzer is a program: to import it would instrument every module for all other tests."""

collect_ignore = ["fuzz_readers.py"]
