"""Small building blocks named by their purpose; the stacks put them together."""
