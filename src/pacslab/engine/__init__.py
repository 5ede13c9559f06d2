"""Plan -> what runs: the shell that talks to Docker, the images, the fabric and the lab's state."""
