"""A window with a control loop that keeps its pace beside 10,000 other jobs."""
