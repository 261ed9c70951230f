"""What runs in CloudFront, and the page that it serves until a dashboard has been built."""
