"""What reading an ELF object raises."""


class ElfError(Exception):
    """An ELF object that the loader could not map or follow; the message says what is wrong with it."""
