"""What jobs need of the machine: files, locks, memory, the terminal."""
