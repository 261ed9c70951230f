"""What is deployed, as it is deployed: the artefacts of the functions and the image of the daemons."""
