"""What things cost, side by side with what one would use instead, in one run, as ratios. Nothing here is a test."""
