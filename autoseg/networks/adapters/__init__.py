"""Networks of other libraries, called with the values of a plan. Each is an extra."""
